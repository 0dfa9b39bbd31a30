"""Every image holds all that its program imports: what is missing would be noticed on a cluster only."""

from functools import cache

import grimp
import pytest

from images.paths import ROOT
from images.recipe import Image, images_named

PROGRAMS = (
    ("builder", "ignition_builder"),
    ("builder-rtx", "ignition_builder"),
    ("fetcher", "ignition_hub.fetch"),
)


@cache
def imports() -> grimp.ImportGraph:
    graph = grimp.build_graph(
        "ignition_hub", "ignition_builder", exclude_type_checking_imports=True, cache_dir=None
    )
    # The package itself loads the library for who asks for it, and no program does.
    for imported in graph.find_modules_directly_imported_by("ignition_hub"):
        graph.remove_import(importer="ignition_hub", imported=imported)
    return graph


def sources_of(image: Image) -> tuple[str, ...]:
    """The image's modules and packages, as dotted names."""
    paths = [path.removesuffix("/__init__.py").removesuffix(".py") for path in image.sources]
    return tuple(path.partition("/")[2].replace("/", ".") for path in paths)


@pytest.mark.parametrize(("name", "program"), PROGRAMS)
def test_an_image_holds_every_module_its_program_imports(name: str, program: str) -> None:
    (image,) = images_named([name])
    needed = imports().find_upstream_modules(program, as_package=True) - {"ignition_hub"}
    held = [source for source in sources_of(image) if source != "ignition_hub"]

    assert "ignition_hub.engine.errors" in needed
    lacking = {module for module in needed if not any(f"{module}.".startswith(f"{own}.") for own in held)}
    assert lacking == set()


@pytest.mark.parametrize("name", [name for name, _ in PROGRAMS])
def test_a_dockerfile_copies_every_source_of_its_image(name: str) -> None:
    (image,) = images_named([name])
    text = (ROOT / image.dockerfile).read_text()

    assert [source for source in image.sources if f"COPY {source} " not in text] == []
