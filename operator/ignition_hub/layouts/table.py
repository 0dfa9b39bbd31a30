"""
Every layout: which files it has, and which TensorRT its serving program is linked with.

One row a layout, so that the annotation, admission and the fetcher know the same ones.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from ignition_hub.engine.identity import FLAVOR_NAMES, TENSORRT, TENSORRT_RTX
from ignition_hub.engine.pod_annotations import LayoutName
from ignition_hub.layouts.deepstream import deepstream_files
from ignition_hub.layouts.epcontext import epcontext_files
from ignition_hub.layouts.errors import LayoutRefused
from ignition_hub.layouts.files import LayoutFile
from ignition_hub.layouts.served import ServedEngine
from ignition_hub.layouts.triton import triton_files


@dataclass(frozen=True, slots=True)
class Layout:
    """
    What lies beside an engine. ``program`` reads it, and runs engines of ``flavor`` alone.

    ``files`` are in the order in which they are written: with the last one the layout is whole.
    """

    program: str
    flavor: str
    files: Callable[[ServedEngine], tuple[LayoutFile, ...]]

    def require_flavor(self, flavors: Collection[str]) -> None:
        """Raise LayoutRefused where ``flavors``, those an engine may have, are all others than its own."""
        if flavors and self.flavor not in flavors:
            found = " or ".join(FLAVOR_NAMES.get(flavor, flavor) for flavor in sorted(flavors))
            raise LayoutRefused(
                f"{self.program} runs engines of {FLAVOR_NAMES[self.flavor]}, and this one is of {found}",
                f"set spec.tensorrt.flavor of the TensorRTEngine to {self.flavor}, or use the layout plain",
            )


TRITON = Layout("Triton Inference Server", TENSORRT, triton_files)

LAYOUTS: Mapping[LayoutName, Layout] = {
    LayoutName.TRITON: TRITON,
    LayoutName.KSERVE: TRITON,
    LayoutName.DEEPSTREAM: Layout("DeepStream", TENSORRT, deepstream_files),
    LayoutName.EPCONTEXT: Layout("onnxruntime with its provider for RTX", TENSORRT_RTX, epcontext_files),
}
"""All but ``plain``, which has nothing beside the engine."""


def files_of(name: LayoutName, engine: ServedEngine) -> tuple[LayoutFile, ...]:
    """Return what lies beside ``engine`` in a layout; LayoutRefused where it cannot be served so."""
    layout = LAYOUTS[name]
    layout.require_flavor((engine.flavor,))
    return layout.files(engine)
