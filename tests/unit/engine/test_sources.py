"""Who may read which model with the hub's credentials."""

import pytest

from ignition_hub.engine.naming import Tree
from ignition_hub.engine.sources import S3Location, parse_s3_uri, plugin_refusal, reads_alone, refusal

STORE = {
    "s3": {"endpoint": "http://s3", "bucket": "engines", "prefix": "ignition"},
    "modelSources": [
        {"prefix": "s3://models/", "namespaces": ["vision"]},
        {"prefix": "s3://zoo/public", "namespaces": ["*"]},
        {"prefix": "https://models.example.com/onnx/", "namespaces": ["vision"]},  # of an earlier release
        {"prefix": "s3://engines/", "namespaces": ["vision"]},
    ],
    "pluginSources": [
        {"prefix": "s3://plugins/vision/", "namespaces": ["vision"]},
        {"prefix": "s3://engines/", "namespaces": ["*"]},
    ],
}


@pytest.mark.parametrize(
    ("namespace", "uri"),
    [
        ("vision", "s3://models/arcface.onnx"),
        ("vision", "s3://models/a/b/c.onnx"),
        ("anyone", "s3://zoo/public/resnet50.onnx"),
        ("vision", "s3://models/onnx/yolo.onnx"),
        ("vision", "s3://engines/other/tree.onnx"),
        ("team-a", "s3://engines/ignition/models/team-a/00ff.onnx"),
        ("team-a", "s3://engines/ignition/models/team-a/00ff/"),
        ("vision", "s3://models/vit/"),
        ("vision", "s3://engines/other/"),
    ],
)
def test_a_namespace_reads_what_is_listed_for_it_and_what_it_pushed(namespace, uri):
    assert refusal(STORE, namespace, uri) is None


@pytest.mark.parametrize(
    ("namespace", "uri", "why"),
    [
        ("speech", "s3://models/arcface.onnx", "may read s3://zoo/public"),
        ("anyone", "s3://zoo/public-not/x.onnx", "modelSources"),
        ("anyone", "s3://zoo/publi", "modelSources"),
        ("team-b", "s3://engines/ignition/models/team-a/00ff.onnx", "hub's own tree"),
        ("vision", "s3://engines/ignition/models/team-a/00ff.onnx", "hub's own tree"),
        ("vision", "s3://engines/ignition/engines/arcface/x/y.trt", "hub's own tree"),
        ("vision", "s3://engines/ignition/", "hub's own tree"),
        ("vision", "s3://engines/ignition/models/", "hub's own tree"),
        ("speech", "s3://models/vit/", "may read s3://zoo/public"),
        ("vision", "s3://models/../secrets/key.onnx", "'..'"),
        ("vision", "s3://models//x.onnx", "empty"),
        ("vision", "https://models.example.com/onnx/yolo.onnx", "name it as s3://bucket/key, or push"),
        ("vision", "https://models.example.com/onnx/../private/x.onnx", "does not start with s3://"),
        ("vision", "https://models.example.com/onnx/%2e%2e/x.onnx", "does not start with s3://"),
        ("vision", "https://user:pw@models.example.com/onnx/x.onnx", "does not start with s3://"),
        ("vision", "https://models.example.com.evil.test/onnx/x.onnx", "does not start with s3://"),
        ("vision", "s3://models.evil.test/arcface.onnx", "modelSources"),
        ("vision", "file:///etc/passwd", "s3://"),
    ],
)
def test_everything_else_is_refused_with_what_would_work(namespace, uri, why):
    assert why in (refusal(STORE, namespace, uri) or "")


@pytest.mark.parametrize("tree", Tree)
def test_no_tenant_reads_or_loads_from_a_folder_of_the_hub_whatever_is_listed(tree):
    s3 = {"bucket": "engines", "prefix": "ignition"}
    everything = [{"prefix": "s3://engines/", "namespaces": ["*"]}]
    store = {"s3": s3, "modelSources": everything, "pluginSources": everything}
    uri = f"s3://engines/ignition/{tree}/team-b/file"

    assert "hub's own tree" in (refusal(store, "team-a", uri) or "")
    assert plugin_refusal(store, "team-a", uri) is not None


def test_a_store_without_a_prefix_guards_its_own_tree_too():
    store = {"s3": {"bucket": "engines"}, "modelSources": [{"prefix": "s3://engines/", "namespaces": ["*"]}]}

    assert refusal(store, "team-a", "s3://engines/models/team-a/00ff.onnx") is None
    assert "hub's own tree" in (refusal(store, "team-a", "s3://engines/models/team-b/00ff.onnx") or "")


def test_a_bundle_above_the_hubs_tree_would_hold_it_and_is_refused():
    s3 = {"bucket": "engines", "prefix": "teams/ignition"}
    store = {"s3": s3, "modelSources": [{"prefix": "s3://engines/", "namespaces": ["*"]}]}

    assert "hub's own tree" in (refusal(store, "team-a", "s3://engines/teams/") or "")
    assert refusal(store, "team-a", "s3://engines/teams/model.onnx") is None


@pytest.mark.parametrize(
    ("namespace", "uri"),
    [("vision", "s3://plugins/vision/libattention.so"), ("anyone", "s3://engines/libraries/a.so")],
)
def test_a_plugin_library_comes_from_where_the_platform_team_says(namespace, uri):
    assert plugin_refusal(STORE, namespace, uri) is None


@pytest.mark.parametrize(
    ("namespace", "uri"),
    [
        ("speech", "s3://plugins/vision/libattention.so"),
        ("vision", "s3://plugins/other/libattention.so"),
        ("vision", "s3://models/libattention.so"),
        ("team-a", "s3://engines/ignition/models/team-a/00ff.onnx"),
        ("team-a", "s3://engines/ignition/engines/x/y/z/a.trt"),
        ("team-a", "s3://engines/ignition/unsigned/libattention.so"),
        ("vision", "https://models.example.com/onnx/libattention.so"),
        ("vision", "s3://plugins/vision/../other/libattention.so"),
    ],
)
def test_a_plugin_library_from_anywhere_else_is_refused(namespace, uri):
    assert plugin_refusal(STORE, namespace, uri)


def test_the_refusal_of_a_plugin_says_whom_to_ask():
    words = plugin_refusal({"s3": {"bucket": "engines"}}, "vision", "s3://plugins/a.so") or ""

    assert words.startswith("namespace vision may not load plugin libraries from s3://plugins/a.so;")
    assert "it may load them from nowhere yet" in words
    assert "pluginSources of the EngineStore" in words


def test_a_uri_is_a_bucket_and_a_key():
    assert parse_s3_uri("s3://models/a/b.onnx") == S3Location("models", "a/b.onnx")
    assert parse_s3_uri("s3://models/bundle/") == S3Location("models", "bundle/")


@pytest.mark.parametrize(
    "uri", ["s3://", "s3://models", "s3://models/", "s3://UPPER/x", "s3://m/a?b", "models/x"]
)
def test_what_names_no_object_is_refused(uri):
    with pytest.raises(ValueError, match=r"s3://|names no object|is not a bucket"):
        parse_s3_uri(uri)


@pytest.mark.parametrize(
    ("uri", "alone"),
    [
        ("s3://models/vision/a.onnx", True),
        ("s3://models/vision/a/", True),
        ("s3://models/shared/a.onnx", False),
        ("s3://models/vision/public/a.onnx", False),
        (f"s3://engines/ignition/models/vision/{'9f' * 32}.onnx", True),
        (f"s3://engines/ignition/models/nlp/{'9f' * 32}.onnx", False),
        ("s3://secret/a.onnx", False),
        ("nonsense", False),
    ],
)
def test_a_namespace_reads_alone_what_no_entry_opens_to_others(uri, alone):
    sources = [
        {"prefix": "s3://models/vision/", "namespaces": ["vision"]},
        {"prefix": "s3://models/shared/", "namespaces": ["vision", "nlp"]},
        {"prefix": "s3://models/vision/public/", "namespaces": ["*"]},
        {"prefix": "s3://secret/", "namespaces": ["nlp"]},
    ]
    spec = {"s3": {"bucket": "engines", "prefix": "ignition"}, "modelSources": sources}

    assert reads_alone(spec, "vision", uri) is alone
