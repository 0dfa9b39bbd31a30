"""
DeepStream's ``nvinfer``: ``config_infer.txt``, which names the engine beside it.

What its parser reads was tried on that of DeepStream 9.1. Which preprocessing a model wants, and what its
outputs mean, is in no engine: the configuration leaves images as they are and attaches the raw outputs.
"""

import re
from collections.abc import Mapping

from ignition_hub.layouts.errors import PLAIN_REMEDY, LayoutRefused
from ignition_hub.layouts.files import LayoutFile
from ignition_hub.layouts.served import ServedEngine, ServedTensor

CONFIG_FILE = "config_infer.txt"
ENGINE_FILE = "nvinfer.engine"

LARGEST_BATCH = 1024
INPUT_TYPE = "float"
OUTPUT_TYPES = ("float", "float16", "int8", "int32")
COLOR_FORMATS: Mapping[int, Mapping[str, int]] = {3: {}, 1: {"model-color-format": 2}}
"""What is said of the colors, by channels: RGB where nothing is, or gray. nvinfer starts with no others."""
OTHER_NETWORK = 100
"""The ``network-type`` of a network whose outputs nvinfer does not interpret."""
# A list ends its names with ";", and a value keeps blanks, quotes and what GLib reads as an escape.
_NAME = re.compile(r"[!-:<-\[\]-~]+")


def deepstream_files(engine: ServedEngine) -> tuple[LayoutFile, ...]:
    """Return nvinfer's configuration and the engine; LayoutRefused where nvinfer cannot run the engine."""
    return (LayoutFile(ENGINE_FILE), LayoutFile(CONFIG_FILE, key_file(engine)))


def key_file(engine: ServedEngine) -> bytes:
    """Return the configuration as a key file of GLib, which its suffix says that it is."""
    image, outputs = image_of(engine), outputs_of(engine)
    sizes = (image.shape or ())[1:]
    properties = {
        # A path is relative to the configuration.
        "model-engine-file": ENGINE_FILE,
        "batch-size": batch_of(engine, image),
        "infer-dims": ";".join(map(str, sizes)),
        **COLOR_FORMATS[sizes[0]],
        "output-blob-names": ";".join(outputs),
        "network-type": OTHER_NETWORK,
        "output-tensor-meta": 1,
        "gie-unique-id": 1,
    }
    lines = ["[property]", *(f"{name}={value}" for name, value in properties.items())]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def image_of(engine: ServedEngine) -> ServedTensor:
    """Return the one input; LayoutRefused unless it takes batches of color or gray images of one size."""
    if len(engine.inputs) != 1:
        raise _refused(f"it has {len(engine.inputs)} inputs, and nvinfer gives images to one")
    [image] = engine.inputs
    if image.dtype != INPUT_TYPE:
        raise _refused(
            f"the input {image.name!r:.80} has the type {image.dtype:.40}, and images are {INPUT_TYPE}"
        )
    sizes = image.shape or ()
    if len(sizes) != 4 or min(sizes[1:]) < 1:
        raise _refused(
            f"the input {image.name!r:.80} has the shape {image.shape!r:.80}, and nvinfer gives batches of "
            "images of one size: [batch, channels, height, width]"
        )
    if sizes[1] not in COLOR_FORMATS:
        raise _other_channels(image.name, sizes)
    return image


def batch_of(engine: ServedEngine, image: ServedTensor) -> int:
    """Return the largest batch; LayoutRefused where nvinfer may give a batch that the engine does not run."""
    fixed = 1 if image.shape and image.shape[0] == 1 else 0
    batch = engine.largest_batch or fixed
    if not batch or len(engine.profiles) > 1:
        raise _refused(
            "nvinfer gives batches from one image on, under the only profile, and the engine takes others"
        )
    return min(batch, LARGEST_BATCH)


def outputs_of(engine: ServedEngine) -> list[str]:
    """Return the names of the outputs; LayoutRefused for one that the configuration cannot name."""
    for tensor in engine.outputs:
        if tensor.dtype not in OUTPUT_TYPES:
            raise _refused(
                f"the output {tensor.name!r:.80} has the type {tensor.dtype:.40}, and nvinfer takes "
                f"{', '.join(OUTPUT_TYPES)}"
            )
        if not _NAME.fullmatch(tensor.name):
            raise _refused(f"the output {tensor.name!r:.80} has a name that a list of nvinfer cannot hold")
    return [tensor.name for tensor in engine.outputs]


def _other_channels(name: str, sizes: tuple[int, ...]) -> LayoutRefused:
    problem = (
        f"the input {name!r:.80} has the shape {sizes!r:.80}, and nvinfer gives images of 3 channels or 1, "
        "which come first: [batch, channels, height, width]"
    )
    if sizes[-1] not in COLOR_FORMATS:
        return _refused(problem)
    remedy = f"export the model with channels first (NCHW), or {PLAIN_REMEDY}"
    return _refused(f"{problem}; this engine takes them last (NHWC)", remedy)


def _refused(problem: str, remedy: str = PLAIN_REMEDY) -> LayoutRefused:
    return LayoutRefused(f"DeepStream cannot run the engine: {problem}", remedy)
