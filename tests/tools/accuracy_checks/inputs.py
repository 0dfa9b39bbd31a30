"""Numbers like those a trained network really sees: pages, photos, a voice, bytes of text."""

from pathlib import Path
from typing import Any

import numpy as np

from ignition_builder.checking.inspection import inputs_of, load_checked
from realmodels import MODELS, real_model

CALIBRATION, INPUTS = (16, 7), (1, 8)
"""How many samples, and the seed they are drawn with: two that share nothing."""


def written(name: str, path: Path, drawing: tuple[int, int]) -> Path:
    """Write samples like the network's real inputs; one alone has the model's own rank."""
    count, seed = drawing
    generator = np.random.default_rng(seed)
    arrays: dict[str, Any] = {}
    for item in inputs_of(load_checked(real_model(name))):
        shape = MODELS[name].shapes.get(item.name, (None, item.shape))[1]
        samples = np.stack([_like_real(item, shape, generator) for _ in range(count)])
        arrays[item.name] = samples if count > 1 else samples[0]
    np.savez_compressed(path, **arrays)
    return path


def _like_real(item: Any, shape: Any, generator: Any) -> Any:
    if item.name == "bytes":
        return generator.integers(32, 127, shape).astype(np.int32)
    if item.name == "state":
        return np.zeros(shape, np.float32)
    if item.name == "images":
        return _photo(shape, generator).astype(np.float32)
    return (_page if len(shape) == 4 else _voice)(shape, generator).astype(np.float32)


def _page(shape: Any, generator: Any) -> Any:
    """Lines of dark strokes on light paper, from -1 to 1 in the steps of a picture file."""
    batch, channels, height, width = shape
    page = np.full((batch, height, width), 0.9) + generator.normal(0, 0.05, (batch, height, width))
    for index in range(batch):
        for top in range(6, height - 12, 32):
            for left in range(4, width - 8, int(generator.integers(7, 12))):
                tall = int(generator.integers(8, 24))
                page[index, top : top + tall, left : left + 2] -= 1.7
                page[index, top + tall // 2 : top + tall // 2 + 2, left : left + 6] -= 1.7
    page = np.rint((np.clip(page, -1, 1) + 1) * 127.5) / 127.5 - 1
    return np.repeat(page[:, None], channels, axis=1)


def _photo(shape: Any, generator: Any) -> Any:
    """Soft round shapes of different colours before a wall, from 0 to 1 in the steps of a picture file."""
    batch, channels, height, width = shape
    down, right = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    photo = np.empty(shape)
    for index in range(batch):
        wall = generator.uniform(0.2, 0.8, (channels, 1, 1)) * (0.6 + 0.4 * down)
        for _ in range(6):
            y, x, tall, wide = generator.uniform((0.1, 0.1, 0.05, 0.05), (0.9, 0.9, 0.4, 0.3))
            away = ((down - y) / tall) ** 2 + ((right - x) / wide) ** 2
            inside = 1 / (1 + np.exp(np.minimum(20 * (away - 1), 50)))
            wall = wall * (1 - inside) + generator.uniform(0.1, 1.0, (channels, 1, 1)) * inside
        photo[index] = wall + generator.normal(0, 0.01, (1, height, width))
    return np.rint(np.clip(photo, 0, 1) * 255) / 255


def _voice(shape: Any, generator: Any) -> Any:
    """A hum with overtones at 16 kHz, and some noise, in the steps of a sound file."""
    time = np.arange(shape[-1]) / 16000
    pitch = generator.uniform(90, 220)
    hum = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 8))
    voice = np.broadcast_to(0.2 * hum, shape) + generator.normal(0, 0.01, shape)
    return np.rint(voice * 32768) / 32768
