"""
TensorRT's own standard plugins by the names they register: which releases have them, and what instead.

TensorRT-RTX has none but ROIAlign_TRT (measured on RTX 1.7.1). What 11.0 removed and 10.12 and 10.16
deprecated or removed is NVIDIA's documentation.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ignition_hub.compatibility.support_matrix import Version

NMS_ADVICE = (
    "export ONNX's own NonMaxSuppression (opset 11 or newer), which TensorRT builds as INMSLayer; with "
    "Ultralytics export nms=False, with YOLOv7 leave out --end2end, and add NonMaxSuppression or do it after "
    "the engine"
)
ONNX_ADVICE = "export the model with ONNX's own operators instead of the plugin"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardPlugin:
    """
    One plugin by the name it registers; ``deprecated`` and ``removed`` are the first releases that call it
    so or lack it. ``instead`` is what an export should hold.
    """

    name: str
    deprecated: Version | None = None
    removed: Version | None = None
    in_rtx: bool = False
    instead: str = ONNX_ADVICE


def _removed_in_11(*names: str, instead: str = ONNX_ADVICE) -> Iterator[StandardPlugin]:
    return (StandardPlugin(name=name, removed=(11, 0), instead=instead) for name in names)


PLUGINS: tuple[StandardPlugin, ...] = (
    StandardPlugin(name="EfficientNMS_TRT", deprecated=(10, 12), instead=NMS_ADVICE),
    StandardPlugin(
        name="EfficientNMS_ONNX_TRT", deprecated=(10, 12), removed=(10, 16), instead=NMS_ADVICE
    ),
    *_removed_in_11("NMS_TRT", "NMSDynamic_TRT", instead=NMS_ADVICE),
    *_removed_in_11(
        "BatchTilePlugin_TRT", "Clip_TRT", "CoordConvAC", "CropAndResize", "CropAndResizeDynamic",
        "CustomGeluPluginDynamic", "LReLU_TRT", "Normalize_TRT", "SingleStepLSTMPlugin", "SpecialSlice_TRT",
        "Proposal", "ProposalDynamic",
    ),
    StandardPlugin(name="ROIAlign_TRT", in_rtx=True, instead="export ONNX's own RoiAlign"),
)  # fmt: skip
_BY_NAME = {plugin.name: plugin for plugin in PLUGINS}
_SUFFIX = "_TRT"
"""How TensorRT's standard plugins end their names; others keep to it."""


def is_standard(operator: str) -> bool:
    """Whether an operator is, by its name, a standard plugin of TensorRT."""
    return operator in _BY_NAME or operator.endswith(_SUFFIX)


def plugin_of(operator: str) -> StandardPlugin:
    """Return what is known of a standard plugin."""
    return _BY_NAME.get(operator, StandardPlugin(name=operator))
