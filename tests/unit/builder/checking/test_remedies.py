"""What the first stage advises when it refuses a model works when it is done."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from ignition_builder.documents import INSPECT, Task
from ignition_builder.files import Files
from ignition_builder.journal import Journal
from ignition_builder.pipeline import build
from ignition_builder.precision import stage
from ignition_builder.report import Report
from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.identity import BatchRange, Profile
from smallmodels import dense, model_of, request_for, saved, shape_range

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


@dataclass(frozen=True, slots=True)
class Asked:
    """A model and what is asked for; ``files`` makes what the request names in a folder."""

    model: Any
    precision: str = "fp32"
    more: dict[str, Any] = field(default_factory=dict)
    files: Callable[[Path], Files] = lambda _: Files()


def checked(asked, folder):
    """Run the first stage in this process."""
    path = saved(asked.model, folder)
    (folder / "work").mkdir()
    task = Task(
        stage=INSPECT,
        request=request_for(asked.precision, **asked.more),
        model=str(path),
        folder=str(folder / "work"),
        log=str(folder / "log"),
        files=asked.files(folder),
    )
    with Journal(folder / "log") as journal, (folder / "answers").open("wb") as answers:
        return stage.run(task, Report(answers.fileno()), journal)


def relu(batch: Any = 2, **options):
    node = helper.make_node("Relu", ["x"], ["y"])
    return model_of([node], {"x": [batch, 4]}, {"y": [batch, 4]}, **options)


def of_type(kind):
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    return model_of(nodes, {"x": ([2], kind)}, {"y": ([2], kind)})


def with_profile(**profile):
    return {"profiles": [Profile(**profile)]}


def custom(domain=""):
    node = helper.make_node("Frobnicate", ["x"], ["y"], domain=domain)
    return model_of([node], {"x": [2]}, {"y": [2]}, domains=[domain] if domain else [])


def of_half():
    weight = numpy_helper.from_array(np.ones((4, 4), dtype=np.float16), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    kind = TensorProto.FLOAT16
    return model_of([node], {"x": ([2, 4], kind)}, {"y": ([2, 4], kind)}, weights=[weight])


def of_brain(kind=TensorProto.BFLOAT16):
    values = np.ones((64, 64), dtype=ml_dtypes.bfloat16 if kind == TensorProto.BFLOAT16 else np.float32)
    nodes = [
        helper.make_node("Cast", ["x"], ["n"], to=kind),
        helper.make_node("MatMul", ["n", "w"], ["p"]),
        helper.make_node("Cast", ["p"], ["y"], to=FLOAT),
    ]
    return model_of(nodes, {"x": [2, 64]}, {"y": [2, 64]}, weights=[numpy_helper.from_array(values, "w")])


def calibration(folder):
    np.savez(folder / "samples.npz", x=np.ones((2, 64), dtype=np.float32))
    return Files(calibration=folder / "samples.npz")


def cache(folder):
    (folder / "cache").write_text("TRT-8601-EntropyCalibration2\nx: 3c010a14\n")
    return Files(calibration=folder / "cache")


def sparse():
    model = relu()
    values = helper.make_tensor("s", FLOAT, [1], [1.0])
    indices = helper.make_tensor("i", INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    return model


def nothing_inside():
    model = relu()
    del model.graph.node[:]
    model.graph.output[0].name = "x"
    return model


def without_outputs():
    model = relu()
    del model.graph.output[:]
    return model


CALIBRATED = {"options": {"calibration": {"uri": "s3://b/samples.npz"}}}
OLD = {"flavor": "TensorRT", "version": "8.6.1.6"}
NEW = {"flavor": "TensorRT", "version": "10.0.1.6"}
FREE = relu("n")
CASES = {
    "a type that only newer releases have": (
        Asked(of_type(TensorProto.BFLOAT16), more=OLD),
        "use tensorrt.version 10.0 or newer",
        Asked(of_type(TensorProto.BFLOAT16), more=NEW),
    ),
    "a type that none has": (
        Asked(of_type(TensorProto.UINT16)),
        "plain tensors of numbers",
        Asked(of_type(TensorProto.INT32)),
    ),
    "sparse weights": (Asked(sparse()), "store the weights densely", Asked(relu())),
    "no layers": (Asked(nothing_inside()), "export the model, not its weights", Asked(relu())),
    "no outputs": (Asked(without_outputs()), "mark at least one output", Asked(relu())),
    "an opset from the future": (
        Asked(relu(opset=99)),
        f"opset {onnx.defs.onnx_opset_version()} or older",
        Asked(relu(opset=onnx.defs.onnx_opset_version())),
    ),
    "an operator that ONNX has not": (
        Asked(custom(), more=NEW),
        "options.plugins",
        Asked(custom(), more={**NEW, "options": {"plugins": [{"uri": "s3://b/frobnicate.so"}]}}),
    ),
    "no profile": (
        Asked(FREE),
        "batchSize",
        Asked(FREE, more=with_profile(batch_size=BatchRange(1, 2, 4))),
    ),
    "a dimension that is fixed": (
        Asked(FREE, more=with_profile(shapes={"x": shape_range([1, 3], [2, 3], [4, 3])})),
        "write 4",
        Asked(FREE, more=with_profile(shapes={"x": shape_range([1, 4], [2, 4], [4, 4])})),
    ),
    "a rank that is another": (
        Asked(FREE, more=with_profile(shapes={"x": shape_range([1], [2], [4])})),
        "give 2 numbers",
        Asked(FREE, more=with_profile(shapes={"x": shape_range([1, 4], [2, 4], [4, 4])})),
    ),
    "a batch of a model that has none": (
        Asked(relu(), more=with_profile(batch_size=BatchRange(1, 2, 4))),
        "export the model with a free dimension named batch",
        Asked(relu("batch"), more=with_profile(batch_size=BatchRange(1, 2, 4))),
    ),
    "values of an input that is no shape": (
        Asked(FREE, more=with_profile(values={"x": shape_range([1], [2], [4])})),
        "give its shape in shapes.x",
        Asked(FREE, more=with_profile(shapes={"x": shape_range([1, 4], [2, 4], [4, 4])})),
    ),
    "weights that are fp16": (Asked(of_half()), "ask for fp16", Asked(of_half(), "fp16")),
    "int8 of a model that is bf16": (
        Asked(of_brain(), "int8", CALIBRATED, calibration),
        "ask for bf16",
        Asked(of_brain(), "bf16"),
    ),
    "int8 of a model that is bf16, and one that is not": (
        Asked(of_brain(), "int8", CALIBRATED, calibration),
        "or export the model in fp32",
        Asked(of_brain(FLOAT), "int8", CALIBRATED, calibration),
    ),
    "int8 of a model that is not quantized": (
        Asked(dense(), "int8"),
        "give options.calibration an .npz file",
        Asked(dense(), "int8", CALIBRATED, calibration),
    ),
    "calibration that nothing would use": (
        Asked(dense(), "fp16", files=calibration),
        "leave it out",
        Asked(dense(), "fp16"),
    ),
    "a calibrator's cache where types are strong": (
        Asked(dense(), "int8", CALIBRATED, cache),
        "give an .npz file of representative inputs instead",
        Asked(dense(), "int8", CALIBRATED, calibration),
    ),
    "a calibrator's cache where types are strong, and an older TensorRT": (
        Asked(dense(), "int8", CALIBRATED, cache),
        "build with a TensorRT before 10.12",
        Asked(dense(), "int8", {**CALIBRATED, "flavor": "TensorRT", "version": "10.9.0.34"}, cache),
    ),
}


@pytest.mark.parametrize(
    ("refused", "remedy", "mended"), [pytest.param(*case, id=name) for name, case in CASES.items()]
)
def test_what_is_refused_is_taken_once_the_advice_is_followed(refused, remedy, mended, tmp_path):
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    with pytest.raises(RequestError) as caught:
        checked(refused, tmp_path / "before")

    assert remedy in caught.value.remedy
    assert checked(mended, tmp_path / "after")["converter"]


def test_external_data_that_is_elsewhere_is_taken_once_it_is_saved_inside(tmp_path):
    model = dense(width=128)
    (tmp_path / "elsewhere").mkdir()
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=True, location="w.data", size_threshold=0)
    (tmp_path / "w.data").rename(tmp_path / "elsewhere" / "w.data")
    broken = onnx.load(tmp_path / "model.onnx", load_external_data=False)
    (tmp_path / "before").mkdir()
    with pytest.raises(RequestError) as caught:
        checked(Asked(broken), tmp_path / "before")
    assert "save the model with its weights inside" in caught.value.remedy

    onnx.external_data_helper.load_external_data_for_model(broken, str(tmp_path / "elsewhere"))
    (tmp_path / "after").mkdir()
    assert checked(Asked(broken), tmp_path / "after")


class Samples(CalibrationDataReader):
    def __init__(self, shift):
        values = np.random.default_rng(0).standard_normal((8, 1, 3, 8, 8)).astype(np.float32) + shift
        self._feeds = iter([{"x": item} for item in values])

    def get_next(self):
        return next(self._feeds, None)


ADVICE = {
    "activation_type and weight_type QInt8": {
        "activation_type": QuantType.QInt8,
        "weight_type": QuantType.QInt8,
    },
    "extra_options ActivationSymmetric and WeightSymmetric True": {
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
    },
    "extra_options QuantizeBias False": {"QuantizeBias": False},
}
"""What the remedies say of onnxruntime's quantizer, and how it is said to it."""


def quantized(folder, number, advised, *, shift, activation_type):
    """Quantize a convolution with onnxruntime as the remedies ``advised``."""
    weights = [
        numpy_helper.from_array(np.random.default_rng(1).standard_normal(shape).astype(np.float32), name)
        for name, shape in (("w", (4, 3, 3, 3)), ("b", (4,)))
    ]
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv")
    model = model_of([node], {"x": [1, 3, 8, 8]}, {"y": [1, 4, 6, 6]}, weights=weights)
    options = {"activation_type": activation_type, "weight_type": QuantType.QInt8}
    extra = {}
    for words in advised:
        kept = extra if "extra_options" in words else options
        kept.update(ADVICE[words])
    target = folder / f"quantized-{number}.onnx"
    quantize_static(
        saved(model, folder),
        target,
        Samples(shift),
        quant_format=QuantFormat.QDQ,
        extra_options=extra,
        **options,
    )
    return onnx.load(target)


def of_its_defaults(shift=1.0, activation=QuantType.QUInt8):
    """Return how onnxruntime quantizes by itself, of samples whose mean is ``shift``."""
    return {"shift": shift, "activation_type": activation}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        (of_its_defaults(), set()),
        # Samples above zero have a zero point of 0 as UINT8, and of -128 as INT8.
        (of_its_defaults(shift=100.0), set()),
        (of_its_defaults(activation=QuantType.QInt8), {"activation_type and weight_type QInt8"}),
    ],
)
def test_onnxruntimes_quantizer_makes_what_builds_once_the_advice_of_one_refusal_is_followed(
    asked, missing, tmp_path
):
    (tmp_path / "refused").mkdir()
    with pytest.raises(RequestError) as caught:
        checked(Asked(quantized(tmp_path, "first", [], **asked), "int8"), tmp_path / "refused")
    advised = [words for words in ADVICE if words in caught.value.remedy]

    assert set(advised) == set(ADVICE) - missing
    model = saved(quantized(tmp_path, "last", advised, **asked), tmp_path)
    assert build(request_for("int8"), model, tmp_path, lambda *_: None).size > 0
