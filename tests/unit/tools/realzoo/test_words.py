"""What inputs of models that read are made with: pieces of words, and BERT's graph out of weights."""

import gzip
import json
import struct
from math import erf

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from realzoo.bert import bert, weights
from realzoo.words import LONGEST, bare, encoded, pieces, running, vocabulary
from realzoo.written import first_of, written

KNOWN = {
    piece: number
    for number, piece in enumerate(
        [
            "[PAD]",
            "[UNK]",
            "[CLS]",
            "[SEP]",
            "un",
            "##aff",
            "##able",
            "##a",
            "una",
            "hello",
            "!",
            ",",
            "cafe",
            "##s",
            "n",
        ]
    )
}
SETTINGS = {
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 12,
    "layer_norm_eps": 1e-12,
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("unaffable", ["[UNK]"]),
        ("HELLO, cafés!", ["hello", ",", "cafe", "##s", "!"]),
        ("hello hellox", ["hello", "[UNK]"]),
        ("una" + "a" * 3, ["una", "##a", "##a", "##a"]),
        ("", []),
        ("una" + "a" * (LONGEST - 2), ["[UNK]"]),
        ("na", ["n", "##a"]),
    ],
)
def test_a_word_falls_into_the_longest_known_pieces_or_is_unknown_whole(text, wanted):
    assert pieces(text, KNOWN) == wanted


def test_a_longer_sentence_is_cut_and_a_shorter_one_filled_up_and_masked():
    inputs = encoded(("hello", "hello hello hello hello"), KNOWN, 5)
    assert inputs["input_ids"].tolist() == [[2, 9, 3, 0, 0], [2, 9, 9, 9, 3]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert not inputs["token_type_ids"].any()


def test_marks_fall_off_and_letters_stay():
    assert bare("café") == "cafe"
    assert bare("\u0623\u064e") == "\u0627"


def test_a_running_text_has_the_length_asked_for():
    text = running(("ab", "c"), np.random.default_rng(1), 9)
    assert len(text) == 9
    assert set(text.split()) <= {"ab", "c", "a"}


def test_a_vocabulary_counts_its_lines(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\nx\n\u2028\n", encoding="utf-8")
    assert vocabulary(tmp_path / "vocab.txt") == {"[PAD]": 0, "x": 1, "\u2028": 2}


def _arrays(seed=5):
    generator = np.random.default_rng(seed)
    wide, hidden = SETTINGS["intermediate_size"], SETTINGS["hidden_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (20, hidden),
        "embeddings.token_type_embeddings.weight": (2, hidden),
        "embeddings.position_embeddings.weight": (16, hidden),
    }
    norms = ["embeddings.LayerNorm"]
    for number in range(SETTINGS["num_hidden_layers"]):
        layer = f"encoder.layer.{number}"
        square = (
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
        )
        sides = dict.fromkeys(square, (hidden, hidden))
        sides |= {"intermediate.dense": (wide, hidden), "output.dense": (hidden, wide)}
        for name, (out, into) in sides.items():
            shapes |= {f"{layer}.{name}.weight": (out, into), f"{layer}.{name}.bias": (out,)}
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for name in norms:
        shapes |= {f"{name}.weight": (hidden,), f"{name}.bias": (hidden,)}
    return {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def _embedding(arrays, ids, mask):
    """BERT of one sentence by the book, head by head, words that do not count left out altogether."""
    ids = ids[mask == 1]

    def dense(name, value):
        return value @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"]

    def norm(name, value):
        middle = value - value.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((middle**2).mean(axis=-1, keepdims=True) + SETTINGS["layer_norm_eps"])
        return middle / deviation * arrays[f"{name}.weight"] + arrays[f"{name}.bias"]

    place = arrays["embeddings.position_embeddings.weight"][: len(ids)]
    kind = arrays["embeddings.token_type_embeddings.weight"][0]
    value = norm("embeddings.LayerNorm", arrays["embeddings.word_embeddings.weight"][ids] + kind + place)
    for number in range(SETTINGS["num_hidden_layers"]):
        layer = f"encoder.layer.{number}"
        asked = dense(f"{layer}.attention.self.query", value)
        keys = dense(f"{layer}.attention.self.key", value)
        values = dense(f"{layer}.attention.self.value", value)
        heads = []
        for head in np.split(np.arange(8), 2):
            scores = np.exp(asked[:, head] @ keys[:, head].T / 2)
            heads.append(scores / scores.sum(axis=1, keepdims=True) @ values[:, head])
        mixed = dense(f"{layer}.attention.output.dense", np.concatenate(heads, axis=1))
        value = norm(f"{layer}.attention.output.LayerNorm", mixed + value)
        wide = dense(f"{layer}.intermediate.dense", value)
        wide = wide * (1 + np.vectorize(erf)(wide / 2**0.5)) / 2
        value = norm(f"{layer}.output.LayerNorm", dense(f"{layer}.output.dense", wide) + value)
    mean = value.mean(axis=0)
    return mean / np.linalg.norm(mean)


def test_the_graph_of_bert_computes_bert():
    arrays = _arrays()
    ids = np.array([[2, 9, 7, 3, 0], [2, 5, 3, 0, 0]])
    mask = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]])
    session = onnxruntime.InferenceSession(bert(SETTINGS, arrays).SerializeToString())
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    (got,) = session.run(None, given)
    wanted = np.stack([_embedding(arrays, *row) for row in zip(ids, mask, strict=True)])
    assert np.abs(got - wanted).max() < 1e-5


def test_weights_are_read_where_the_header_says(tmp_path):
    values = np.arange(6, dtype=np.float32)
    header = {
        "__metadata__": {"format": "pt"},
        "places": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]},
        "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [8, 32]},
    }
    text = json.dumps(header).encode()
    data = struct.pack("<Q", len(text)) + text + bytes(8) + values.tobytes()
    (tmp_path / "m.safetensors").write_bytes(data)
    read = weights(tmp_path / "m.safetensors")
    assert list(read) == ["w"]
    assert (read["w"] == values.reshape(2, 3)).all()


def _two_rows():
    """``x`` plus a bias of two is the value ``norm``; what comes after and beside it is not wanted."""
    nodes = [
        helper.make_node("Relu", ["x"], ["beside"]),
        helper.make_node("Add", ["x", "bias"], ["norm"]),
        helper.make_node("Mul", ["norm", "beside"], ["y"]),
    ]
    bias = numpy_helper.from_array(np.array([1, 2], np.float32), "bias")
    infos = [helper.make_tensor_value_info(name, 1, ["batch_size", "rows", 2]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", infos[:1], infos[1:], [bias])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_a_model_cut_at_a_value_gives_the_first_row_of_it_and_keeps_what_leads_there():
    part = first_of(_two_rows(), "norm")
    onnx.checker.check_model(part, full_check=True)
    assert [node.op_type for node in part.graph.node] == ["Add", "Gather"]
    session = onnxruntime.InferenceSession(part.SerializeToString())
    (got,) = session.run(None, {"x": np.array([[[3, 3], [9, 9]]], np.float32)})
    assert got.tolist() == [[4, 5]]


def test_a_packed_model_is_unpacked_beside_itself_once(tmp_path):
    (tmp_path / "m.onnx.gz").write_bytes(gzip.compress(b"model"))
    path = written(tmp_path / "m.onnx.gz")
    assert (path.name, path.read_bytes()) == ("m.onnx", b"model")
    (tmp_path / "m.onnx.gz").write_bytes(b"no more needed")
    assert written(tmp_path / "m.onnx.gz").read_bytes() == b"model"
