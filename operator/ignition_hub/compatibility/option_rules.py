"""
The rules of the truth table about options and verification: what a flavor, a version or an option rules out.

An option that is part of an identity and changes nothing would make the manifest a lie; so what TensorRT
ignores is refused like what it rejects. The facts are rows of ``options``.
"""

from collections.abc import Sequence

from ignition_hub.compatibility.case import Case, Refusal
from ignition_hub.compatibility.option_row import OptionRow, invalid_options
from ignition_hub.compatibility.options import (
    EXTERNAL_LIBRARIES,
    FIELDS,
    asked_rows,
    names_calibration_cache,
)
from ignition_hub.compatibility.support_matrix import (
    OLDEST,
    STRONGLY_TYPED_SINCE,
    Version,
    dotted,
    is_strongly_typed,
)
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.identity import AMPERE_PLUS, SAME_COMPUTE_CAPABILITY, is_for_windows


def options_hold_what_they_may(case: Case) -> Refusal | None:
    """TensorRT takes a level of 9 without a word; a warning that is misspelled would fail no build."""
    found = next(invalid_options(case.ask.options, FIELDS), None)
    return _refused(f"{found.where}: {found.why}", found.remedy) if found else None


def lean_runtime_fits(case: Case) -> Refusal | None:
    """An embedded lean runtime is a library of the system that built it (NVIDIA's source)."""
    options, compatible = case.ask.options, case.ask.options.get("versionCompatible") or {}
    if compatible.get("excludeLeanRuntime") and not compatible.get("enabled"):
        return _refused(
            "options.versionCompatible.excludeLeanRuntime: only a version compatible engine embeds one",
            "set options.versionCompatible.enabled, or leave excludeLeanRuntime out",
        )
    if is_for_windows(options) and compatible.get("enabled") and not compatible.get("excludeLeanRuntime"):
        return _refused(
            "options.runtimePlatform: WindowsAMD64 was requested, but the lean runtime embedded by "
            "options.versionCompatible would be for Linux",
            "set options.versionCompatible.excludeLeanRuntime: true and load the Windows lean runtime there",
        )
    return None


def calibration_is_for_int8(case: Case) -> Refusal | None:
    """What is calibrated here is int8; narrower types need the tools of training."""
    if case.ask.precision == "int8" or not case.ask.options.get("calibration"):
        return None
    return _refused(
        f"options.calibration: ranges are computed for int8 only, and precision is {case.ask.precision}",
        "use precision int8, or leave options.calibration out and push a model with Q/DQ nodes",
    )


def pool_measures_the_benchmark(case: Case) -> Refusal | None:
    """A CPU measures no engine, Linux none that is made for Windows, and nobody one without weights."""
    if not case.ask.verification.get("benchmark"):
        return None
    if case.pool.ahead_of_time:
        return _refused(
            f"verification.benchmark was requested, but pool {case.pool.name} compiles ahead of time, "
            "without a GPU to measure on",
            f"leave verification.benchmark out, or add a BuildPool with {case.gpu.arch} nodes",
        )
    if is_for_windows(case.ask.options):
        return _refused(
            "verification.benchmark was requested, but an engine for WindowsAMD64 cannot run where it is "
            "built",
            "leave verification.benchmark or options.runtimePlatform out",
        )
    if case.ask.options.get("stripPlan"):
        return _refused(
            "verification.benchmark was requested, but a stripped engine has no weights to run with",
            "leave verification.benchmark or options.stripPlan out",
        )
    return None


def platform_builds_for_windows(case: Case) -> Refusal | None:
    """Engines for Windows are built on Linux for x86-64 and nowhere else (NVIDIA's source)."""
    if not is_for_windows(case.ask.options) or case.pool.platform == "linux-x86_64":
        return None
    return _refused(
        f"options.runtimePlatform: WindowsAMD64 was requested, but pool {case.pool.name} is "
        f"{case.pool.platform}",
        "use a BuildPool of linux-x86_64 nodes, or leave options.runtimePlatform out",
    )


def level_keeps_the_tactics(case: Case) -> Refusal | None:
    """Hardware compatible engines have no tactics of cuBLAS, cuBLASLt and cuDNN (NVIDIA's source)."""
    level = case.target.compatibility
    lost = [name for name in case.ask.options.get("tacticSources") or () if name in EXTERNAL_LIBRARIES]
    if case.is_rtx or not lost or level not in (AMPERE_PLUS, SAME_COMPUTE_CAPABILITY):
        return None
    return _refused(
        f"options.tacticSources: {', '.join(lost)} was requested, but an engine with compatibility {level} "
        "has no tactics of these libraries",
        f"leave {', '.join(lost)} out, or use compatibility: Product with the product, such as "
        f"{case.gpu.example}",
    )


def flavor_takes_the_options(case: Case) -> Refusal | None:
    """RTX refuses some options and silently ignores others."""
    if not case.is_rtx:
        return None
    for row, _ in asked_rows(case.ask.options):
        if row.rtx.verdict != "Takes":
            return _refused(
                f"{row.field} was requested; {row.rtx.why}",
                f"leave {_shorter(row)} out, or use a BuildPool of flavor TensorRT",
            )
    return None


def version_has_the_options(case: Case) -> Refusal | None:
    """Options came and went with the versions of TensorRT."""
    if case.is_rtx:
        return None
    lacking = [row for row, _ in asked_rows(case.ask.options) if not row.exists_in(case.release)]
    if not lacking:
        return None
    row = lacking[0]
    return _refused(
        f"{row.field} {_lifetime(row)}; {case.pool.name} has {case.version}",
        f"ask for TensorRT {_works(lacking)}, or leave {_shorter(row)} out",
    )


def version_streams_weights(case: Case) -> Refusal | None:
    """Weight streaming needs a strongly typed network (documentation)."""
    streams = case.ask.options.get("weightStreaming")
    if not streams or is_strongly_typed(case.pool.flavor, case.version):
        return None
    since = dotted(STRONGLY_TYPED_SINCE)
    return _refused(
        f"options.weightStreaming needs a strongly typed network, which is built from TensorRT {since} on; "
        f"{case.pool.name} has {case.version}",
        f"ask for TensorRT {since} or newer, or leave options.weightStreaming out",
    )


def version_takes_a_calibration_cache(case: Case) -> Refusal | None:
    """Calibrators choose types, and a strongly typed network lets nobody choose (documentation)."""
    cache = names_calibration_cache(case.ask.options.get("calibration") or {})
    if not cache or not is_strongly_typed(case.pool.flavor, case.version):
        return None
    since = dotted(STRONGLY_TYPED_SINCE)
    return _refused(
        f"options.calibration is a calibration cache, and from TensorRT {since} on engines are strongly "
        f"typed and take none; {case.pool.name} has {case.version}",
        f"ask for TensorRT {dotted(OLDEST)} or newer, older than {since}, or use an .npz file of inputs as "
        "calibration.source",
    )


def _shorter(row: OptionRow) -> str:
    return row.field.removeprefix("a calibration cache as ").replace(f"options.{row.option}: ", "")


def _lifetime(row: OptionRow) -> str:
    if row.until is None:
        return f"exists from TensorRT {dotted(row.since)} on"
    return f"exists from TensorRT {dotted(row.since)} until {dotted(row.until)}, which removed it"


def _works(rows: Sequence[OptionRow]) -> str:
    """Name the versions that have all of ``rows``."""
    since = max(row.since for row in rows)
    ends: list[Version] = [row.until for row in rows if row.until]
    return (
        f"{dotted(since)} or newer, older than {dotted(min(ends))}" if ends else f"{dotted(since)} or newer"
    )


def _refused(message: str, remedy: str) -> Refusal:
    return Refusal(Reason.UnsupportedOption, message, remedy)
