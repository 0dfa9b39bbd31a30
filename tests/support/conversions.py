"""Models that went through the conversion to a narrow type, and what ONNX's reference computes of them."""

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from ignition_builder.checking.inspection import load_checked
from ignition_builder.journal import Journal
from ignition_builder.precision.conversion import convert
from ignition_builder.precision.floats import HALF
from smallmodels import read_back, saved


class Converted:
    """A model that went through the conversion: ``model``, ``types`` of values, ``record``, ``warned``."""

    def __init__(self, model, folder, narrow=HALF):
        work = folder / f"work-{narrow.precision}"
        work.mkdir()
        path = saved(model, folder)
        with Journal(folder / "log") as journal:
            target, self.record = convert(load_checked(path), path, narrow, work, journal)
        self.warned = journal.warnings
        self.model = read_back(target)
        onnx.checker.check_model(self.model, full_check=True)
        inferred = shape_inference.infer_shapes(self.model, strict_mode=True).graph
        self.types = {tensor.name: tensor.data_type for tensor in inferred.initializer}
        for value in (*inferred.input, *inferred.value_info, *inferred.output):
            self.types[value.name] = value.type.tensor_type.elem_type

    def run(self, **inputs):
        return ReferenceEvaluator(self.model).run(None, inputs)

    def casts(self) -> int:
        return sum(node.op_type == "Cast" for node in self.model.graph.node)


def floats(name, *values):
    return numpy_helper.from_array(np.array(values, dtype=np.float32), name)


def node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs, outputs, name=f"{operator}-{outputs[0]}", **attributes)
