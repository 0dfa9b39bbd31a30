"""The identity: what changes it, what does not, and which field did."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.fingerprint import bundle_fingerprint, fingerprint
from ignition_hub.engine.identity import (
    BatchRange,
    EngineInputs,
    Model,
    Profile,
    ShapeRange,
    SharedInputs,
    Target,
    identity_of,
)

DIGEST = "9f" * 32
SHAPE = ShapeRange(min=(1, 3, 112, 112), opt=(32, 3, 112, 112), max=(64, 3, 112, 112))
INPUTS = EngineInputs(
    model=Model("arcface_r100", "v1.0", f"sha256:{DIGEST}"),
    precision="fp16",
    profiles=(Profile({"data": SHAPE}),),
    flavor="TensorRT",
    tensorrt_version="10.13.2.6",
    platform="linux-x86_64",
    gpu_arch="sm_89",
    product=None,
    compatibility="SameComputeCapability",
    options={"optimizationLevel": 3, "versionCompatible": {"enabled": False}},
    verification={"accuracy": {"rtol": 5e-3}},
)

CHANGES = {
    "model.name": {"model": Model("arcface_r50", "v1.0", f"sha256:{DIGEST}")},
    "model.version": {"model": Model("arcface_r100", "v1.1", f"sha256:{DIGEST}")},
    "model.fingerprint": {"model": Model("arcface_r100", "v1.0", f"object:{DIGEST}")},
    "precision": {"precision": "fp32"},
    "profiles[0].shapes.data.max[0]": {
        "profiles": (Profile({"data": replace(SHAPE, max=(65, 3, 112, 112))}),)
    },
    "profiles[0].shapes.mask": {"profiles": (Profile({"data": SHAPE, "mask": SHAPE}),)},
    "profiles": {"profiles": ()},
    "profiles[0].values": {"profiles": (Profile({"data": SHAPE}, values={"shape": SHAPE}),)},
    "profiles[0].batch_size": {"profiles": (Profile({"data": SHAPE}, batch_size=BatchRange(1, 8, 32)),)},
    "profiles[0].max_sequence_length": {"profiles": (Profile({"data": SHAPE}, max_sequence_length=512),)},
    "flavor": {"flavor": "TensorRTRTX"},
    "tensorrt_version": {"tensorrt_version": "10.13.2.7"},
    "platform": {"platform": "linux-aarch64"},
    "gpu_arch": {"gpu_arch": "sm_86"},
    "compatibility": {"compatibility": "AmperePlus"},
    "options.optimizationLevel": {"options": {**INPUTS.options, "optimizationLevel": 5}},
    "options.versionCompatible.enabled": {
        "options": {**INPUTS.options, "versionCompatible": {"enabled": True}}
    },
    "options.workspace": {"options": {**INPUTS.options, "workspace": "4Gi"}},
    "verification.accuracy.rtol": {"verification": {"accuracy": {"rtol": 1e-3}}},
    "calibration_digest": {"calibration_digest": DIGEST},
    "plugin_digests": {"plugin_digests": (DIGEST,)},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_change_of_any_input_changes_the_identity(change):
    assert identity_of(replace(INPUTS, **change)) != identity_of(INPUTS)


@pytest.mark.parametrize("change", [{}, *CHANGES.values()], ids=["none", *CHANGES])
def test_the_identity_is_the_same_when_the_shared_part_was_made_before(change):
    inputs = replace(INPUTS, **change)
    shared = SharedInputs.of(inputs.profiles, inputs.options, inputs.verification)

    assert identity_of(inputs, shared) == identity_of(inputs)


def test_another_product_is_another_engine():
    l4 = replace(INPUTS, compatibility="Product", product="NVIDIA-L4")
    l40 = replace(INPUTS, compatibility="Product", product="NVIDIA-L40")

    assert identity_of(l4) != identity_of(l40)


def test_the_order_and_spelling_of_options_does_not_change_the_identity():
    same = replace(
        INPUTS,
        options={"versionCompatible": {"enabled": False}, "optimizationLevel": 3.0},
        profiles=(Profile({"data": SHAPE}),),
    )

    assert identity_of(same) == identity_of(INPUTS)


def test_the_identity_of_published_engines_never_moves():
    # Somebody's bucket is keyed by it: a change here makes every engine be built anew.
    assert identity_of(INPUTS) == "1b5db92bd47d31d539d205de8d2c40bf60fe61f24429ab46551fbac7bc002a5d"


def test_inputs_survive_json():
    document = json.loads(canonical_json(INPUTS.to_json()))

    assert EngineInputs.from_json(document) == INPUTS


def test_a_profile_of_shorthands_survives_json():
    profile = Profile(values={"shape": SHAPE}, batch_size=BatchRange(1, 8, 32), max_sequence_length=512)

    assert Profile.from_json(json.loads(canonical_json(profile.to_json()))) == profile


BUNDLE = {"model.onnx": ("e1", 10), "weights/a.bin": ("e2", 20)}


def test_a_bundle_is_what_all_its_files_are_in_any_order():
    again = dict(reversed(BUNDLE.items()))

    assert bundle_fingerprint("s3://models/vit/", again) == bundle_fingerprint("s3://models/vit/", BUNDLE)


@pytest.mark.parametrize(
    "change",
    [{"weights/a.bin": ("e3", 20)}, {"weights/a.bin": ("e2", 21)}, {"weights/b.bin": ("e2", 20)}],
    ids=["etag", "size", "name"],
)
def test_a_bundle_with_another_file_has_another_fingerprint(change):
    assert bundle_fingerprint("s3://models/vit/", BUNDLE | change) != bundle_fingerprint(
        "s3://models/vit/", BUNDLE
    )


def test_the_same_bundle_elsewhere_is_another_source():
    assert bundle_fingerprint("s3://models/vit/", BUNDLE) != bundle_fingerprint("s3://other/vit/", BUNDLE)


def test_a_bundle_with_a_file_nobody_can_watch_is_refused():
    with pytest.raises(ContractError, match=r"source\.uri: 'weights/a\.bin' has no ETag"):
        bundle_fingerprint("s3://models/vit/", BUNDLE | {"weights/a.bin": ("", 20)})


@given(
    shapes=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5),
        st.lists(st.integers(0, 9), max_size=4).map(tuple),
        max_size=3,
    ),
    options=st.dictionaries(st.sampled_from("abc"), st.integers() | st.booleans() | st.none(), max_size=3),
)
def test_any_inputs_survive_json_with_their_identity(shapes, options):
    profile = Profile({name: ShapeRange(shape, shape, shape) for name, shape in shapes.items()})
    inputs = replace(INPUTS, profiles=(profile,), options=options)

    again = EngineInputs.from_json(json.loads(canonical_json(inputs.to_json())))

    assert identity_of(again) == identity_of(inputs)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"precision": "fp17"}, r"precision: 'fp17' is not known: use one of fp32"),
        ({"flavor": "TRT"}, r"flavor: 'TRT'"),
        ({"tensorrt_version": "10.13"}, r"tensorrt_version: '10\.13' .* full version"),
        ({"platform": "windows"}, r"platform"),
        ({"gpu_arch": "8.9"}, r"gpu_arch: '8\.9'"),
        ({"product": "NVIDIA-L4"}, r"product: 'NVIDIA-L4' is not allowed with compatibility Same"),
        ({"compatibility": "Product"}, r"product: None is not allowed with compatibility Product"),
    ],
)
def test_inputs_that_make_no_sense_are_refused_by_field(change, named):
    with pytest.raises(ContractError, match=named):
        replace(INPUTS, **change)


@pytest.mark.parametrize("name", ["", "../x", ".x", "a/b", "a" * 64, "a b", "a\n"])
@pytest.mark.parametrize("field", ["name", "version"])
def test_a_model_name_or_version_cannot_leave_its_folder(field, name):
    with pytest.raises(ContractError, match=rf"model\.{field}"):
        replace(INPUTS.model, **{field: name})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"extra": 1}, r"EngineInputs\.extra: unknown field"),
        ({"precision": 16}, r"EngineInputs\.precision: expected a string, got number 16"),
        ({"profiles": {}}, r"EngineInputs\.profiles: expected an array, got object"),
        ({"profiles": [{}]}, r"EngineInputs\.profiles\[0\]: Profile\.shapes: missing"),
        ({"model": None}, r"EngineInputs\.model: Model: expected an object, got null"),
        ({"plugin_digests": [1]}, r"EngineInputs\.plugin_digests: expected an array of strings"),
        (
            {"profiles": [{"shapes": {"data": {"min": [True], "opt": [1], "max": [1]}}}]},
            r"profiles\[0\]: Profile\.shapes\.data: ShapeRange\.min: expected an array of integers",
        ),
    ],
)
def test_a_document_that_is_not_inputs_is_refused_by_path(change, named):
    with pytest.raises(ContractError, match=named):
        EngineInputs.from_json({**INPUTS.to_json(), **change})


@pytest.mark.parametrize("field", sorted(INPUTS.to_json()))
def test_a_missing_field_is_named(field):
    document = {name: value for name, value in INPUTS.to_json().items() if name != field}

    with pytest.raises(ContractError, match=rf"EngineInputs\.{field}: missing"):
        EngineInputs.from_json(document)


def test_a_target_knows_three_levels_of_compatibility():
    with pytest.raises(ContractError, match="Product, SameComputeCapability, AmperePlus"):
        Target("a", "sm_89", None, "Any")


def test_a_pinned_source_is_its_digest_wherever_it_lies():
    pinned = fingerprint("s3://models/a.onnx", sha256=DIGEST.upper(), etag="x", size=3)

    assert pinned == f"sha256:{DIGEST}" == fingerprint("https://example.com/b", sha256=DIGEST)


def test_an_etag_speaks_only_for_its_own_uri_and_size():
    of_a = fingerprint("s3://models/a.onnx", etag="e1", size=3)

    assert of_a.startswith("object:")
    assert of_a == fingerprint("s3://models/a.onnx", etag='"e1"', size=3)
    assert of_a != fingerprint("s3://models/b.onnx", etag="e1", size=3)
    assert of_a != fingerprint("s3://models/a.onnx", etag="e2", size=3)
    assert of_a != fingerprint("s3://models/a.onnx", etag="e1", size=4)


@pytest.mark.parametrize("sha256", ["", "9f2c", "z" * 64, f"{DIGEST}\n"])
def test_a_pin_that_is_no_digest_is_refused(sha256):
    with pytest.raises(ContractError, match=r"source\.sha256"):
        fingerprint("s3://models/a.onnx", sha256=sha256)


def test_a_source_without_etag_must_be_pinned():
    with pytest.raises(ContractError, match="pin sha256"):
        fingerprint("https://example.com/a.onnx", size=3)
