"""
An engine laid out for people: what it is, where it loads, how it was built, what was checked.
"""

from collections.abc import Iterable, Iterator, Mapping
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any

from ignition_hub.cli.inspected import Subject
from ignition_hub.cli.load_verdict import LoadVerdict
from ignition_hub.compatibility.description import where_it_loads
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.identity import FLAVOR_NAMES
from ignition_hub.engine.manifest import BuildFacts, Manifest
from ignition_hub.engine.quoting import printable
from ignition_hub.engine.type_names import type_word

WIDTH = 13
WIDEST = 116
MIB = 1 << 20
NOTHING: tuple[Any, ...] = (None, "", [], ())

Row = tuple[str, object]
Section = tuple[str, Iterable[Row]]


def laid_out(subject: Subject, verdict: LoadVerdict | None) -> list[str]:
    """
    Return the lines; what is not known is left out, never shown as empty.

    Raises ContractError for a manifest whose build facts are not what this release knows.
    """
    try:
        return _lines(subject, verdict)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # What a builder records inside its facts is not part of the contract, and nobody may have signed it.
        raise ContractError(
            f"{subject.where}: the manifest's build facts cannot be read ({type(error).__name__}: {error})",
            "print them unchanged: -o json",
        ) from error


def _lines(subject: Subject, verdict: LoadVerdict | None) -> list[str]:
    sections: list[Section] = [("Engine", _engine(subject))]
    if subject.manifest:
        sections.append(("Model", _model(subject.manifest)))
    sections.append(("Loads", _loads(subject, verdict)))
    if subject.manifest:
        sections.append(("Built", _built(subject.manifest)))
    sections.append(("Checked", _checked(subject)))
    return [line for title, rows in sections for line in _section(title, rows)]


def _section(title: str, rows: Iterable[Row]) -> Iterator[str]:
    yield title
    for name, value in rows:
        if value is None or value == "":
            continue
        said = [part for line in printable(str(value)).splitlines() for part in _folded(line)]
        yield f"  {name:<{WIDTH}} {said[0]}"
        yield from (f"  {'':<{WIDTH}} {line}" for line in said[1:])


def _folded(line: str) -> list[str]:
    # A path or a digest stays whole, so that it can be copied.
    width = min(WIDEST, get_terminal_size((WIDEST, 24)).columns) - WIDTH - 3
    return wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]


def _engine(subject: Subject) -> Iterator[Row]:
    manifest, header = subject.manifest, subject.header
    yield "where", subject.where
    if manifest:
        yield "identity", manifest.identity
        yield "file", manifest.engine.key.rpartition("/")[2]
    flavor, version = _tensorrt(subject)
    yield "built by", f"{FLAVOR_NAMES.get(flavor, flavor)} {version}"
    if header:
        yield "size", f"{_size(header.size)}{_prefix(header.ultralytics_prefix)}"
        yield "code for", ", ".join(header.capabilities)
    elif manifest:
        yield "size", _size(manifest.engine.size)
    if manifest:
        yield "SHA-256", manifest.engine.sha256


def _model(manifest: Manifest) -> Iterator[Row]:
    inputs, model = manifest.inputs, manifest.build.model
    io = manifest.build.engine_io or model
    yield "model", f"{inputs.model.name} {inputs.model.version}"
    yield "SHA-256", model.get("sha256")
    yield "opset", model.get("opset")
    yield "inputs", "\n".join(map(_tensor, io.get("inputs", ())))
    yield "outputs", "\n".join(map(_tensor, io.get("outputs", ())))
    profiles = manifest.build.profiles
    yield "profiles", "\n".join(f"{index}: {_profile(item)}" for index, item in enumerate(profiles))


def _loads(subject: Subject, verdict: LoadVerdict | None) -> Iterator[Row]:
    reach = where_it_loads(subject.facts)
    yield "on", reach.gpus
    yield "platform", reach.platform
    yield "with", reach.runtimes
    yield "you must", "\n".join(reach.duties)
    if verdict:
        yield "here" if "this machine" in verdict.place else "there", f"{verdict.place}: {verdict.verdict}"
        yield "", verdict.message
        yield "", verdict.remedy


def _built(manifest: Manifest) -> Iterator[Row]:
    build, inputs = manifest.build, manifest.inputs
    yield "precision", f"{inputs.precision}{_way(build)}"
    yield "for", " ".join(filter(None, (inputs.gpu_arch, inputs.product, inputs.compatibility)))
    yield "on", _gpu(build.gpu) if build.gpu else "a CPU, ahead of time"
    yield (
        "software",
        _pairs({"CUDA": build.cuda_version, "driver": build.driver, "image": build.builder_image}),
    )
    yield "at", f"{manifest.built_at}, in {build.seconds:.1f} s"
    yield "memory", _size(build.peak_memory_bytes) if build.peak_memory_bytes else None
    yield "typing", build.typing
    yield "options", _pairs(inputs.options)
    yield "settings", _pairs(build.settings or {})
    yield "flags", ", ".join(build.flags)
    yield "TF32", _tf32(build.tf32)
    yield "plugins", ", ".join(str(plugin.get("name")) for plugin in build.plugins)
    yield "timing cache", _timing_cache(build.timing_cache or {})
    yield "warnings", "\n".join(f"{item.get('code')} x {item.get('count')}" for item in build.warnings)
    yield "parser said", "\n".join(str(item.get("message")) for item in build.parser_messages)


def _checked(subject: Subject) -> Iterator[Row]:
    yield "digest", subject.digest
    yield "signature", subject.signature
    if subject.manifest:
        build = subject.manifest.build
        yield (
            "ran",
            {"none": "nothing", "model": "the model", "engine": "the engine"}[build.checked],
        )
        yield "conversion", _proof((build.converter or {}).get("proof"))
        yield "accuracy", _pairs(build.accuracy or {})
        yield "benchmark", _pairs(build.benchmark or {})


def _tensorrt(subject: Subject) -> tuple[str, str]:
    if subject.manifest:
        return subject.manifest.build.flavor, subject.manifest.build.tensorrt_version
    assert subject.header is not None  # one of the two is there
    return subject.header.flavor, subject.header.version


def _size(size: int) -> str:
    return f"{size / MIB:.1f} MiB ({size} bytes)" if size >= MIB else f"{size} bytes"


def _prefix(size: int) -> str:
    return f", after {size} bytes of Ultralytics metadata" if size else ""


def _tensor(item: Mapping[str, Any]) -> str:
    return f"{item.get('name')} {type_word(str(item.get('dtype')))} {_shape(item.get('shape'))}"


def _shape(sizes: Iterable[Any] | None) -> str:
    if sizes is None:
        return "of any rank"
    return f"[{', '.join('?' if size == -1 else str(size) for size in sizes)}]"


def _profile(profile: Mapping[str, Any]) -> str:
    ranges = {**profile.get("shapes", {}), **profile.get("values", {})}
    return "; ".join(
        f"{name} {_shape(item['min'])} to {_shape(item['max'])}, tuned for {_shape(item['opt'])}"
        for name, item in ranges.items()
    )


def _way(build: BuildFacts) -> str:
    converter = build.converter or {}
    words = (converter.get("path"), converter.get("name"), converter.get("version"))
    way = " ".join(str(word) for word in words if word)
    return f" ({way})" if way else ""


def _proof(proof: Any) -> str | None:
    # A manifest's facts are free in form, and an older one has no such.
    if not isinstance(proof, Mapping):
        return None
    if not proof.get("proven"):
        return f"not proven: {proof.get('why')}"
    outputs = [item for item in proof.get("outputs", ()) if isinstance(item, Mapping)]
    return "\n".join(["proven against the model", *map(_pairs, outputs)])


def _gpu(gpu: Mapping[str, Any]) -> str:
    facts = {name: value for name, value in gpu.items() if name != "name" and value is not None}
    return f"{gpu.get('name')} ({_pairs(facts)})"


def _tf32(tf32: Mapping[str, Any]) -> str:
    asked = "requested" if tf32.get("asked") else "not requested"
    return f"{asked}, {'enabled' if tf32.get('in_force') else 'disabled'}"


def _timing_cache(facts: Mapping[str, Any]) -> str:
    why = facts.get("why")
    return f"not used: {why}" if why and not facts.get("used") else _pairs(facts)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items() if value not in NOTHING)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({_pairs(value)})"
    if isinstance(value, (list, tuple)):
        return " ".join(map(_value, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
