"""nvinfer's configuration, read by GLib, with which DeepStream reads it; and which engines it refuses."""

import ctypes
import ctypes.util

import pytest

from ignition_hub.engine.errors import Reason
from ignition_hub.engine.pod_annotations import LayoutName
from ignition_hub.layouts.errors import LayoutRefused
from ignition_hub.layouts.served import ServedEngine
from ignition_hub.layouts.table import files_of
from servedmanifests import manifest_of, profile

IMAGES = ([1, 3, 112, 112], [8, 3, 112, 112], [32, 3, 112, 112])
INPUT, OUTPUT = ("data", "float", ["batch", 3, 112, 112]), ("boxes:0", "float16", ["batch", 512])
GLIB = ctypes.util.find_library("glib-2.0")

needs_glib = pytest.mark.skipif(GLIB is None, reason="libglib-2.0 is not installed")


def files(inputs, outputs, *profiles, **facts):
    build = manifest_of(inputs, outputs, *profiles, **facts).build
    return files_of(LayoutName.DEEPSTREAM, ServedEngine.of_build("faces", "sm_89", build))


def refusal(*tensors_and_profiles, **facts):
    with pytest.raises(LayoutRefused) as refused:
        files(*tensors_and_profiles, **facts)
    assert refused.value.reason is Reason.UnsupportedLayout
    return refused.value.message


def read_by_glib(content):
    """All values of the group ``property``: a list where one has a ``;``."""
    glib = ctypes.CDLL(GLIB)
    for name in ("g_key_file_new", "g_key_file_get_keys", "g_key_file_get_string_list"):
        getattr(glib, name).restype = ctypes.c_void_p
    key_file = ctypes.c_void_p(glib.g_key_file_new())
    assert glib.g_key_file_load_from_data(key_file, content, ctypes.c_size_t(len(content)), 0, None)

    def strings(at):
        return [
            text.decode()
            for text in iter(iter(ctypes.cast(at, ctypes.POINTER(ctypes.c_char_p))).__next__, None)
        ]

    keys = strings(glib.g_key_file_get_keys(key_file, b"property", None, None))
    lists = {
        key: strings(glib.g_key_file_get_string_list(key_file, b"property", key.encode(), None, None))
        for key in keys
    }
    glib.g_key_file_free(key_file)
    return lists


def test_the_configuration_comes_after_the_engine_that_it_names():
    engine, config = files([INPUT], [OUTPUT], profile(data=IMAGES))

    assert (engine.path, engine.content) == ("nvinfer.engine", None)
    assert config.path == "config_infer.txt"
    assert config.content.decode() == (
        "[property]\n"
        "model-engine-file=nvinfer.engine\n"
        "batch-size=32\n"
        "infer-dims=3;112;112\n"
        "output-blob-names=boxes:0\n"
        "network-type=100\n"
        "output-tensor-meta=1\n"
        "gie-unique-id=1\n"
    )


def images_of(*sizes):
    ranges = profile(data=([1, *sizes], [8, *sizes], [32, *sizes]))
    return [("data", "float", ["batch", *sizes])], [OUTPUT], ranges


def test_images_of_one_channel_are_gray():
    [_, config] = files(*images_of(1, 28, 28))

    assert "\ninfer-dims=1;28;28\nmodel-color-format=2\n" in config.content.decode()


@pytest.mark.parametrize("sizes", [(2, 64, 64), (4, 64, 64), (6, 64, 64)])
def test_images_that_are_neither_color_nor_gray_are_refused(sizes):
    message = refusal(*images_of(*sizes))

    assert f"'data' has the shape {(-1, *sizes)}, and nvinfer gives images of 3 channels or 1" in message
    assert "NHWC" not in message


@pytest.mark.parametrize("sizes", [(112, 112, 3), (28, 28, 1)])
def test_images_whose_channels_come_last_are_refused_with_what_would_work(sizes):
    with pytest.raises(LayoutRefused) as refused:
        files(*images_of(*sizes))

    assert f"the shape {(-1, *sizes)}" in refused.value.message
    assert "which come first: [batch, channels, height, width]" in refused.value.message
    assert "this engine takes them last (NHWC)" in refused.value.message
    assert refused.value.remedy.startswith(
        "export the model with channels first (NCHW), or use the layout plain"
    )


@needs_glib
def test_glib_reads_what_was_meant():
    outputs = [OUTPUT, ("[x]=y#'z", "float", ["batch"])]
    [_, config] = files([INPUT], outputs, profile(data=IMAGES))

    read = read_by_glib(config.content)

    assert read["infer-dims"] == ["3", "112", "112"]
    assert read["output-blob-names"] == ["boxes:0", "[x]=y#'z"]
    assert read["model-engine-file"] == ["nvinfer.engine"]


@pytest.mark.parametrize(
    ("first", "ranges", "batch"),
    [(1, (), 1), ("batch", (IMAGES,), 32), ("batch", ([*IMAGES[:2], [4096, 3, 112, 112]],), 1024)],
)
def test_the_batch_is_what_the_engine_runs_and_nvinfer_takes(first, ranges, batch):
    profiles = [profile(data=sizes) for sizes in ranges]
    [_, config] = files([("data", "float", [first, 3, 112, 112])], [("y", "float", [first, 5])], *profiles)

    assert f"\nbatch-size={batch}\n" in config.content.decode()


@pytest.mark.parametrize(
    ("tensor", "why"),
    [
        (("data", "float16", ["batch", 3, 112, 112]), "'data' has the type float16, and images are float"),
        (
            ("data", "float", ["batch", 3, "h", 112]),
            "'data' has the shape (-1, 3, -1, 112), and nvinfer gives",
        ),
        (("data", "float", ["batch", 112, 112]), "[batch, channels, height, width]"),
        (("data", "float", None), "'data' has the shape None"),
        (("data", "float", [8, 3, 112, 112]), "nvinfer gives batches from one image on"),
        (("data", "float", ["rows", 3, 112, 112]), "nvinfer gives batches from one image on"),
    ],
)
def test_an_input_that_is_no_batch_of_images_of_one_size_is_refused(tensor, why):
    assert why in refusal([tensor], [OUTPUT], profile(data=IMAGES))


def test_several_inputs_or_profiles_are_refused():
    assert "it has 2 inputs" in refusal([INPUT, ("size", "float", [1])], [OUTPUT], profile(data=IMAGES))
    assert "under the only profile" in refusal([INPUT], [OUTPUT], profile(data=IMAGES), profile(data=IMAGES))


@pytest.mark.parametrize("name", ["a;b", " a", "a b", "a\\sb", "größe", "a\n[property]", ""])
def test_an_output_whose_name_a_list_cannot_hold_is_refused(name):
    assert "cannot hold" in refusal([INPUT], [(name, "float", ["batch", 2])], profile(data=IMAGES))


def test_an_output_of_a_type_that_nvinfer_lacks_and_an_engine_of_tensorrt_rtx_are_refused():
    assert "'y' has the type bool" in refusal([INPUT], [("y", "bool", ["batch"])], profile(data=IMAGES))
    assert "DeepStream runs engines of TensorRT, and" in refusal([INPUT], [OUTPUT], flavor="TensorRTRTX")
