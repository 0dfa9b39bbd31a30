"""Pictures and recordings out of files, for the few kinds that the supplies come in."""

import struct
import wave
import zlib
from pathlib import Path
from typing import Any

import numpy as np

CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""PNG's colour types of 8 bits, without palettes, and how many bytes a pixel of each has."""


def png(path: Path) -> Any:
    """Return a PNG's pixels: uint8, height x width x 3, whatever is transparent laid on white."""
    data, at, pieces = path.read_bytes(), 8, []
    width, height, depth, kind, *rest = struct.unpack(">IIBBBBB", data[16:29])
    if depth != 8 or kind not in CHANNELS or rest[2]:
        raise ValueError(f"{path.name}: {depth} bits, colour type {kind}, interlace {rest[2]}: not read here")
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        pieces += [data[at + 8 : at + 8 + size]] if name == b"IDAT" else []
        at += size + 12
    raw = np.frombuffer(zlib.decompress(b"".join(pieces)), np.uint8).reshape(height, -1)
    return _coloured(_unfiltered(raw, CHANNELS[kind]).reshape(height, width, CHANNELS[kind]))


def _unfiltered(raw: Any, step: int) -> Any:
    """Undo what each line says was done to it: its first byte tells which of PNG's five filters."""
    above, lines = np.zeros(raw.shape[1] - 1, np.uint8), []
    for kind, line in zip(raw[:, 0], raw[:, 1:], strict=True):
        above = _line(int(kind), line, above, step)
        lines.append(above)
    return np.stack(lines)


def _line(kind: int, line: Any, above: Any, step: int) -> Any:
    if kind == 0:
        return line
    if kind == 1:
        return np.add.accumulate(line.reshape(-1, step), axis=0, dtype=np.uint8).reshape(-1)
    if kind == 2:
        return line + above
    done, over = [0] * step + line.tolist(), [0] * step + above.tolist()
    guess = _mean if kind == 3 else _paeth
    for at in range(step, len(done)):
        done[at] = (done[at] + guess(done[at - step], over[at], over[at - step])) & 255
    return np.array(done[step:], np.uint8)


def _mean(left: int, up: int, _: int) -> int:
    return (left + up) // 2


def _paeth(left: int, up: int, corner: int) -> int:
    near = left + up - corner
    return min((left, up, corner), key=lambda value: abs(near - value))


def _coloured(pixels: Any) -> Any:
    *colours, alpha = (
        np.split(pixels, pixels.shape[2], axis=2) if pixels.shape[2] in {2, 4} else (pixels, None)
    )
    rgb = np.concatenate(colours, axis=2)
    if alpha is not None:
        rgb = np.rint(rgb * (alpha / 255.0) + (255 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(rgb, (*rgb.shape[:2], 3)))


def wav(path: Path) -> tuple[Any, int]:
    """Return the one channel of a 16-bit WAV file, float32 in -1 to 1, and its rate."""
    with wave.open(str(path)) as file:
        values = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return _mono(values, file.getnchannels()), file.getframerate()


def aiff(path: Path) -> tuple[Any, int]:
    """Return the same of a 16-bit AIFF file."""
    data, at, chunks = path.read_bytes(), 12, {}
    while at + 8 <= len(data):
        name, size = struct.unpack(">4sI", data[at : at + 8])
        chunks[name] = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    channels, _, _, exponent, mantissa = struct.unpack(">hIhHQ", chunks[b"COMM"][:18])
    rate = round(mantissa * 2.0 ** (exponent - 16383 - 63))
    return _mono(np.frombuffer(chunks[b"SSND"][8:], ">i2"), channels), rate


def _mono(values: Any, channels: int) -> Any:
    return (values.reshape(-1, channels).mean(axis=1) / 32768.0).astype(np.float32)
