"""What the inputs of real packages' models are made with: picture files, sizes, spectra."""

import struct
import zlib

import numpy as np
import pytest

from realzoo.catalogue.pictures import bar_code
from realzoo.catalogue.tables import scalogram, tukey
from realzoo.media import aiff, png, wav
from realzoo.pixels import letterboxed, planes, resized, smaller
from realzoo.sound import (
    decibels,
    frames,
    kaldi_fbank,
    kaldi_filters,
    librosa_mel,
    resampled,
    slaney_filters,
    slaney_hertz,
    slaney_mel,
)

RATE = 16000


def _png(path, pixels, kind, filters):
    """Write a PNG whose lines are filtered as told, so that reading has each filter to undo."""
    height, width, step = pixels.shape
    lines, above = b"", np.zeros(width * step, int)
    for number, row in zip(filters, pixels.reshape(height, -1).astype(int), strict=True):
        left = np.concatenate((np.zeros(step, int), row[:-step]))
        corner = np.concatenate((np.zeros(step, int), above[:-step]))
        near = left + above - corner
        away = np.abs(np.stack((near - left, near - above, near - corner)))
        paeth = np.choose(away.argmin(axis=0), (left, above, corner))
        guess = (0, left, above, (left + above) // 2, paeth)[number]
        lines += bytes([number]) + ((row - guess) % 256).astype(np.uint8).tobytes()
        above = row
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    body = b"".join(struct.pack(">I4s", len(data), name) + data + bytes(4) for name, data in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def test_a_png_is_read_whichever_filter_its_lines_have(tmp_path):
    pixels = np.random.default_rng(3).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    path = _png(tmp_path / "p.png", pixels, 2, (0, 1, 2, 3, 4))
    assert (png(path) == pixels).all()


def test_grey_becomes_three_alike_channels(tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    read = png(_png(tmp_path / "g.png", pixels, 0, (4, 3, 1)))
    assert read.shape == (3, 4, 3)
    assert (read == pixels).all()


def test_what_is_transparent_lies_on_white(tmp_path):
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)
    assert png(_png(tmp_path / "a.png", pixels, 6, (0,))).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_a_picture_of_another_kind_is_refused_by_name(tmp_path):
    path = _png(tmp_path / "palette.png", np.zeros((1, 1, 1), np.uint8), 3, (0,))
    with pytest.raises(ValueError, match=r"palette\.png: 8 bits, colour type 3"):
        png(path)


def test_both_kinds_of_sound_file_give_the_mean_of_their_channels(tmp_path):
    pairs = np.array([[16384, 0], [-32768, -32768]], np.int16)
    header = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 44, b"WAVE", b"fmt ", 16, 1, 2, RATE, RATE * 4, 4, 16)
    (tmp_path / "s.wav").write_bytes(header + struct.pack("<4sI", b"data", 8) + pairs.astype("<i2").tobytes())
    comm = struct.pack(">hIhHQ", 2, 2, 16, 16383 + 13, RATE << (63 - 13))
    data = bytes(8) + pairs.astype(">i2").tobytes()
    body = struct.pack(">4sI", b"COMM", 18) + comm + struct.pack(">4sI", b"SSND", len(data)) + data
    (tmp_path / "s.aif").write_bytes(struct.pack(">4sI4s", b"FORM", len(body) + 4, b"AIFF") + body)
    for read in (wav(tmp_path / "s.wav"), aiff(tmp_path / "s.aif")):
        assert (read[0].tolist(), read[1]) == ([0.25, -1.0], RATE)


def test_a_size_between_is_straight_between_neighbours():
    picture = np.array([[[0.0], [10.0]]])
    assert resized(picture, 1, 4)[0, :, 0].tolist() == [0, 2.5, 7.5, 10]
    assert (resized(np.full((3, 5, 2), 7.0), 11, 4) == 7).all()


def test_making_smaller_keeps_the_mean_of_fine_stripes():
    stripes = np.tile(np.array([0.0, 255.0]), (64, 32))[..., None]
    assert np.ptp(smaller(stripes, 16, 16)) == 0
    assert smaller(stripes, 16, 16).mean() == 127.5


def test_a_letterbox_keeps_the_form_and_fills_the_rest():
    boxed = letterboxed(np.full((50, 100, 3), 9.0), 20, 114)
    assert (boxed[:10] == 9).all()
    assert (boxed[10:] == 114).all()


def test_planes_are_standardised_channel_by_channel():
    out = planes(np.full((2, 2, 3), 255.0), (0.0, 0.5, 1.0), (1.0, 0.5, 0.25))
    assert out.shape == (1, 3, 2, 2)
    assert out[0, :, 0, 0].tolist() == [1, 1, 0]


@pytest.mark.parametrize("wanted", [8000, 16000, 22050, 44100])
def test_a_tone_keeps_its_pitch_and_loudness_at_another_rate(wanted):
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    again = resampled(tone, RATE, wanted)
    assert len(again) == wanted
    assert np.abs(again - np.sin(2 * np.pi * 440 * np.arange(wanted) / wanted)).max() < 1e-3


def test_frames_are_the_whole_pieces_only():
    assert frames(np.arange(10), 4, 3).tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]


def test_mel_goes_there_and_back_and_is_linear_below_a_kilohertz():
    hertz = np.array([0, 200, 999, 1000, 6400])
    assert slaney_hertz(slaney_mel(hertz)) == pytest.approx(hertz)
    assert slaney_mel(np.array([200, 1000, 6400])) == pytest.approx([3, 15, 42])


def test_the_triangles_of_librosa_have_area_one_and_those_of_kaldi_a_peak_of_one():
    wide = slaney_filters(RATE, 4096, 40)
    assert (wide.sum(axis=1) * RATE / 4096)[20:] == pytest.approx(1, rel=2e-2)
    high = kaldi_filters(RATE, 4096, 40).max(axis=1)
    assert high[20:] == pytest.approx(1, abs=5e-2)


def test_a_tone_is_loudest_where_its_mel_is():
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    loud = decibels(librosa_mel(tone, RATE, 512, 256, 40))
    edges = slaney_hertz(np.linspace(0, slaney_mel(RATE / 2), 42))
    assert loud.max() == 0
    assert loud.min() >= -80
    best = int(loud.mean(axis=1).argmax())
    assert edges[best] < 1000 < edges[best + 2]


def test_kaldi_counts_whole_windows_and_hears_the_tone_in_its_band():
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    bank = kaldi_fbank(tone, RATE, 80)
    assert bank.shape == (98, 80)
    middle = np.expm1(np.linspace(np.log1p(20 / 700), np.log1p(8000 / 700), 82))[1:-1] * 700
    assert abs(middle[bank.mean(axis=0).argmax()] - 1000) < 60


def test_the_window_of_spectrograms_is_flat_but_for_its_ends():
    window = tukey(8, 0.5)
    assert window == pytest.approx([0, 0.5, 1, 1, 1, 1, 1, 0.5])


def test_a_scalogram_is_the_convolution_with_each_wavelet():
    """As PyWavelets' ``cwt`` says it: no Fourier transform, the difference taken last."""
    wave = np.random.default_rng(2).normal(size=400)
    grid = np.linspace(-20, 20, 1024)
    step = grid[1] - grid[0]
    integral = np.conj(np.cumsum(np.sqrt(6) * np.sinc(6 * grid) * np.exp(2j * np.pi * 13 * grid)) * step)
    for row, scale in zip(scalogram(wave), np.geomspace(135, 270, 15), strict=True):
        places = np.floor(np.arange(scale * 40 + 1) / (scale * step)).astype(int)
        kernel = integral[places[places < 1024]][::-1]
        whole = -np.sqrt(scale) * np.diff(np.convolve(wave, kernel))
        start = int(np.floor((len(whole) - len(wave)) / 2))
        assert row == pytest.approx(np.abs(whole[start : start + len(wave)]), abs=1e-9)


def test_a_bar_code_has_its_guards_and_as_many_black_bars_as_its_digits_say():
    code = "".join(map(str, bar_code([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0])))
    assert len(code) == 95
    assert (code[:3], code[45:50], code[-3:]) == ("101", "01010", "101")
    assert (code[3:10], code[50:57]) == ("0001101", "1010000")
