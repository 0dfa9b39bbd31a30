"""Pictures as networks take them: another size, cut, standardised, channels first."""

from typing import Any

import numpy as np


def resized(picture: Any, height: int, width: int) -> Any:
    """Return a picture of another size: straight between four neighbours, pixels counted at their middles."""
    for axis, size in ((0, height), (1, width)):
        picture = _along(picture, axis, size)
    return picture


def _along(picture: Any, axis: int, size: int) -> Any:
    old = picture.shape[axis]
    at = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
    below = np.floor(at).astype(int)
    part = (at - below).reshape(-1, *[1] * (picture.ndim - axis - 1))
    picture = picture.astype(np.float64)
    near, far = picture.take(below, axis), picture.take(np.minimum(below + 1, old - 1), axis)
    return near + (far - near) * part


def smaller(picture: Any, height: int, width: int) -> Any:
    """Return a picture made smaller without jagged edges: halved by means, then resized."""
    while min(picture.shape[0] / height, picture.shape[1] / width) >= 2:
        picture = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2].astype(np.float64)
        picture = (picture[::2, ::2] + picture[1::2, ::2] + picture[::2, 1::2] + picture[1::2, 1::2]) / 4
    return resized(picture, height, width)


def letterboxed(picture: Any, side: int, fill: float) -> Any:
    """Return a picture that fits a square, in its upper left corner, the rest filled."""
    scale = side / max(picture.shape[:2])
    height, width = (max(1, round(size * scale)) for size in picture.shape[:2])
    square = np.full((side, side, picture.shape[2]), fill, np.float64)
    square[:height, :width] = smaller(picture, height, width)
    return square


def taken(picture: Any, generator: Any) -> Any:
    """Return what another snapshot would have shown: a part of it, perhaps mirrored, in other light."""
    part = generator.uniform(0.6, 0.95)
    height, width = (int(size * part) for size in picture.shape[:2])
    top = int(generator.integers(0, picture.shape[0] - height + 1))
    left = int(generator.integers(0, picture.shape[1] - width + 1))
    cut = picture[top : top + height, left : left + width].astype(np.float64)
    cut = cut[:, ::-1] if generator.random() < 0.5 else cut
    light = 255 * (cut / 255) ** generator.uniform(0.8, 1.25)
    return np.rint(light).astype(np.uint8)


def planes(picture: Any, mean: Any = 0.0, deviation: Any = 1.0) -> Any:
    """Return float32 planes, 1 x 3 x height x width, of 0 to 255: (p / 255 - mean) / deviation."""
    return (
        ((picture / 255.0 - np.asarray(mean)) / np.asarray(deviation))
        .transpose(2, 0, 1)[None]
        .astype(np.float32)
    )


IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""The mean and the deviation of ImageNet's pictures, with which most networks were trained."""
