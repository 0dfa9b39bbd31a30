"""
The rules of the truth table: each looks at one pool and one target and says no, or nothing.

``verdict`` asks them in order. Each refusal says what was asked, why it cannot be, and what would work.
"""

from ignition_hub.compatibility import option_rules, support_matrix
from ignition_hub.compatibility.case import (
    Case,
    Refusal,
    Rule,
    a_gpu,
    has_ampere_plus,
    has_precision,
    type_since,
)
from ignition_hub.compatibility.gpus import GPUS
from ignition_hub.compatibility.spelling import SHARED
from ignition_hub.compatibility.support_matrix import dotted
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.identity import (
    AMPERE_PLUS,
    FLAVOR_NAMES,
    PRECISIONS,
    PRODUCT,
    SAME_COMPUTE_CAPABILITY,
    TENSORRT,
)


def pool_has_the_flavor(case: Case) -> Refusal | None:
    """An engine of one flavor does not load in the other."""
    asked = case.ask.flavor
    if asked in (None, case.pool.flavor):
        return None
    return Refusal(
        Reason.NoPoolForFlavor,
        f"{asked} was requested, but pool {case.pool.name} offers {case.pool.flavor}",
        f"add a runtime of flavor {asked} to a BuildPool, or leave tensorrt.flavor out",
    )


def flavor_compiles_for_the_arch(case: Case) -> Refusal | None:
    """RTX compiles for six architectures without a GPU; TensorRT needs the GPU itself."""
    if case.is_rtx and case.target.gpu_arch not in support_matrix.RTX_ARCHS:
        archs = ", ".join(support_matrix.RTX_ARCHS)
        return Refusal(
            Reason.FlavorCannotTarget,
            f"TensorRT-RTX compiles for {archs}, not for {case.target.gpu_arch}",
            f"add a BuildPool with {a_gpu(case.gpu)} and the TensorRT flavor",
        )
    if case.pool.ahead_of_time and not case.is_rtx:
        return Refusal(
            Reason.FlavorCannotTarget,
            f"{case.tensorrt} builds only on the GPU itself, and pool {case.pool.name} has none",
            f"add a BuildPool with {a_gpu(case.gpu)}, or give the pool a TensorRTRTX runtime",
        )
    return None


def pool_builds_for_the_arch(case: Case) -> Refusal | None:
    """Nothing built on one compute capability loads on an older one, nor by default on any other."""
    if case.target.gpu_arch in case.pool.archs:
        return None
    return Refusal(
        Reason.NoPoolForArch,
        f"pool {case.pool.name} builds for {', '.join(case.pool.archs)}, not for {case.target.gpu_arch}",
        _how_to_reach(case),
    )


def pool_has_the_product(case: Case) -> Refusal | None:
    """Only the product itself can build for ``Product``."""
    target, pool = case.target, case.pool
    if target.compatibility != PRODUCT or (target.product and target.product == pool.product):
        return None
    if not target.product:
        return Refusal(
            Reason.CompatibilityUnsupported,
            f"target {target.name} has compatibility Product but no product",
            f"set its product, such as {case.gpu.example}",
        )
    if pool.ahead_of_time:
        return Refusal(
            Reason.CompatibilityUnsupported,
            f"pool {pool.name} compiles ahead of time for every {target.gpu_arch}; it cannot claim to build "
            f"on {target.product} itself",
            f"use compatibility: SameComputeCapability, or add a BuildPool with {target.product}",
        )
    return Refusal(
        Reason.NoPoolForProduct,
        f"pool {pool.name} has {pool.product or 'several products'}, not {target.product}",
        f"add a BuildPool with gpu.product {target.product}, or use compatibility: SameComputeCapability",
    )


def pool_has_its_gpu_alone(case: Case) -> Refusal | None:
    """A build times its tactics; what else runs on a time-sliced GPU would choose for it."""
    product = case.pool.product or ""
    shared = product if product.endswith(SHARED) else case.pool.shared_by
    if case.pool.ahead_of_time or not shared:
        return None
    return Refusal(
        Reason.SharedGPU,
        f"pool {case.pool.name} has {shared}: its GPU is shared, and timing on it would choose the wrong "
        "kernels",
        "give the pool nodes without time slicing and MPS; a MIG slice is fine, it is a product of its own",
    )


def platform_fits_the_gpu(case: Case) -> Refusal | None:
    """No x86 machine builds for Jetson: the processor architecture must match."""
    if not case.gpu.jetson or case.pool.platform != "linux-x86_64":
        return None
    return Refusal(
        Reason.FlavorCannotTarget,
        f"pool {case.pool.name} is {case.pool.platform}, and {case.target.gpu_arch} is a Jetson: TensorRT "
        "does not build for another processor architecture",
        f"add a BuildPool of Jetson nodes with {case.gpu.example}, labelled with their JetPack release",
    )


def jetson_wants_its_exact_module(case: Case) -> Refusal | None:
    """Hardware compatibility is not supported on JetPack; AGX, NX and Nano are not the same."""
    if not case.gpu.jetson or case.target.compatibility == PRODUCT:
        return None
    return Refusal(
        Reason.CompatibilityUnsupported,
        f"{case.target.compatibility} does not exist on Jetson: an engine serves only the module "
        "it was built on",
        f"use compatibility: Product with the module as product, such as {case.gpu.example}",
    )


def level_exists_for_the_arch(case: Case) -> Refusal | None:
    """Each level of compatibility has an architecture it starts at."""
    target, capability = case.target, case.gpu.compute_capability
    if target.compatibility == AMPERE_PLUS and case.is_rtx:
        return Refusal(
            Reason.CompatibilityUnsupported,
            "TensorRT-RTX has no AmperePlus: an engine holds code for the architectures it was compiled for",
            "use compatibility: SameComputeCapability and one target for each architecture",
        )
    if target.compatibility == AMPERE_PLUS and capability < support_matrix.AMPERE:
        return Refusal(
            Reason.CompatibilityUnsupported,
            f"AmperePlus starts at compute capability 8.0, and {target.gpu_arch} is {dotted(capability)}",
            f"use compatibility: SameComputeCapability or Product for {target.gpu_arch}",
        )
    if (
        target.compatibility == SAME_COMPUTE_CAPABILITY
        and capability < support_matrix.TURING
        and not case.is_rtx
    ):
        return Refusal(
            Reason.CompatibilityUnsupported,
            f"SameComputeCapability starts at 7.5, and {target.gpu_arch} is {dotted(capability)}",
            f"use compatibility: Product with the product, such as {case.gpu.example}",
        )
    return None


def arch_has_the_precision(case: Case) -> Refusal | None:
    """The data type is in the hardware or it is not."""
    precision = case.ask.precision
    if has_precision(case.gpu, precision, case.pool.flavor):
        return None
    floor = support_matrix.type_floor(precision, rtx=case.is_rtx)
    starts = f"it starts at compute capability {dotted(floor)}, and " if floor else ""
    quote = (
        f" (TensorRT-RTX says: {support_matrix.RTX_REFUSAL})" if case.is_rtx and precision != "tf32" else ""
    )
    works = [name for name in PRECISIONS if has_precision(case.gpu, name, case.pool.flavor)]
    others = [gpu.arch for gpu in GPUS if has_precision(gpu, precision, case.pool.flavor)]
    return Refusal(
        Reason.PrecisionUnsupportedOnArch,
        f"{case.gpu.arch} ({case.gpu.family}) has no {precision}: {starts}{case.gpu.arch} is "
        f"{dotted(case.gpu.compute_capability)}{quote}",
        f"use one of {', '.join(works)} for {case.gpu.arch}; {precision} works on {', '.join(others)}",
    )


def version_builds_for_the_arch(case: Case) -> Refusal | None:
    """TensorRT learns new architectures and drops old ones; RTX learned 12.1 in 1.5."""
    capability = case.gpu.compute_capability
    since, until = support_matrix.RTX_SINCE.get(capability, ()), None
    if not case.is_rtx:
        since, until = support_matrix.versions_for(capability)
    if since <= case.release and (until is None or case.release < until):
        return None
    works = f"older than {dotted(until)}" if until else f"{dotted(since)} or newer"
    return Refusal(
        Reason.VersionCannotTarget,
        f"{case.tensorrt} does not build for {case.target.gpu_arch} ({case.gpu.family})",
        f"add a runtime of {FLAVOR_NAMES[case.pool.flavor]} {works} to a BuildPool for "
        f"{case.target.gpu_arch}",
    )


def version_is_known(case: Case) -> Refusal | None:
    """Engines of an older TensorRT have numbered bindings and no names, and nothing here could run them."""
    if case.is_rtx or case.release >= support_matrix.OLDEST:
        return None
    oldest = dotted(support_matrix.OLDEST)
    return Refusal(
        Reason.VersionCannotTarget,
        f"{case.tensorrt} is older than {oldest}, the first release that addresses tensors by name; "
        f"{case.pool.name} has {case.version}",
        f"add a runtime of TensorRT {oldest} or newer to the pool",
    )


def version_exists_on_jetson(case: Case) -> Refusal | None:
    """Jetson has its own releases of TensorRT."""
    platform, release = case.pool.platform, case.release
    if not case.gpu.jetson:
        return None
    if platform == "linux-aarch64" and release < support_matrix.JETSON_SBSA_SINCE:
        why = f"the server build of {case.tensorrt} for aarch64 does not support Jetson"
        works = (
            "use JetPack's own TensorRT and label the nodes with their JetPack release, or TensorRT 10.16.1"
        )
    elif platform.startswith("jetpack-") and (11,) <= release < support_matrix.JETPACK_7_SINCE:
        why, works = (
            f"{case.tensorrt} is not part of any JetPack",
            "use TensorRT 10.x, or 11.4.1 with JetPack 7",
        )
    elif platform.startswith("jetpack-6") and release >= (11,):
        why, works = f"{case.tensorrt} needs JetPack 7, and the pool has {platform}", "use TensorRT 10.x"
    else:
        return None
    return Refusal(Reason.VersionCannotTarget, why, works)


def version_has_the_level(case: Case) -> Refusal | None:
    """The levels came with 8.6 and 10.9."""
    level = case.target.compatibility
    since = {
        AMPERE_PLUS: support_matrix.AMPERE_PLUS_SINCE,
        SAME_COMPUTE_CAPABILITY: support_matrix.SAME_CAPABILITY_SINCE,
    }.get(level)
    if case.is_rtx or since is None or case.release >= since:
        return None
    return Refusal(
        Reason.CompatibilityUnsupported,
        f"{level} exists from TensorRT {dotted(since)} on; {case.pool.name} has {case.version}",
        f"ask for TensorRT {dotted(since)} or newer, or use compatibility: Product with "
        f"{f'product: {case.pool.product}' if case.pool.product else 'the exact product'}",
    )


def version_has_the_precision(case: Case) -> Refusal | None:
    """The narrow data types came one by one."""
    since = type_since(case.ask.precision)
    if case.is_rtx or case.release >= since:
        return None
    return Refusal(
        Reason.UnsupportedPrecision,
        f"{case.ask.precision} exists from TensorRT {dotted(since)} on; {case.pool.name} has {case.version}",
        f"ask for TensorRT {dotted(since)} or newer, or for fp16",
    )


RULES: tuple[Rule, ...] = (
    pool_has_the_flavor,
    flavor_compiles_for_the_arch,
    pool_builds_for_the_arch,
    pool_has_its_gpu_alone,
    platform_fits_the_gpu,
    jetson_wants_its_exact_module,  # before the product, so that the remedy asks for one
    pool_has_the_product,
    level_exists_for_the_arch,
    arch_has_the_precision,
    option_rules.options_hold_what_they_may,
    option_rules.lean_runtime_fits,
    option_rules.calibration_is_for_int8,
    option_rules.flavor_takes_the_options,
    option_rules.level_keeps_the_tactics,
    option_rules.platform_builds_for_windows,
    option_rules.pool_measures_the_benchmark,
)

VERSION_RULES: tuple[Rule, ...] = (
    version_is_known,
    version_has_the_level,
    version_has_the_precision,
    version_builds_for_the_arch,
    version_exists_on_jetson,
    option_rules.version_has_the_options,
    option_rules.version_streams_weights,
    option_rules.version_takes_a_calibration_cache,
)
"""Asked of each version with the prefix, newest first; the first version they all accept is the one."""


def _how_to_reach(case: Case) -> str:
    remedy = f"add a BuildPool with {a_gpu(case.gpu)}"
    if reaching := _reaches_as_ampere_plus(case):
        return f"{remedy}, or target {reaching} with AmperePlus: that engine loads on {case.gpu.arch} too"
    if case.target.gpu_arch not in support_matrix.RTX_ARCHS:
        return f"{remedy} and the TensorRT flavor"
    if case.pool.ahead_of_time:
        return f"add {case.target.gpu_arch} to the pool's aheadOfTime.archs"
    return remedy if case.ask.flavor == TENSORRT else f"{remedy}, or a CPU pool of flavor TensorRTRTX"


def _reaches_as_ampere_plus(case: Case) -> str | None:
    """Return an architecture the pool has whose AmperePlus engine covers the target."""
    if case.target.compatibility != AMPERE_PLUS or case.is_rtx or not has_ampere_plus(case.gpu):
        return None
    return next((gpu.arch for gpu in GPUS if gpu.arch in case.pool.archs and has_ampere_plus(gpu)), None)
