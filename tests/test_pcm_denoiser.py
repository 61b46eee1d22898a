"""Hazard: fewer bytes come out than went in, a sample is torn in two, channels mix, a switch shifts the sound."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from command_line import run

from rtdenoise import Denoiser, ModelError, ParameterError
from rtdenoise.files.pcm import S16LE, encode
from rtdenoise.integrations.pcm import PcmDenoiser


def as_bytes(samples: np.ndarray) -> bytes:
    return encode(samples, S16LE)


def in_pieces(denoiser: PcmDenoiser, data: bytes, sizes: list[int]) -> list[tuple[int, bytes]]:
    """What each piece of the data gives; sizes in bytes, again and again."""
    given, start, count = [], 0, 0
    while start < len(data):
        piece = data[start : start + sizes[count % len(sizes)]]
        given.append((len(piece), denoiser.process(piece)))
        start, count = start + len(piece), count + 1
    return given


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000, 44100])
def test_every_call_gives_as_many_as_it_took(speechlike, leaky, rate):
    data = as_bytes(speechlike(rate, rate))
    for sizes in ([2 * rate // 50], [2], [640, 2, 0, 30, 5000]):
        given = in_pieces(PcmDenoiser(rate, model=leaky), data[: 3000 if sizes == [2] else None], sizes)
        assert all(len(out) == size for size, out in given)


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000, 44100])
def test_the_cuts_do_not_change_a_bit(speechlike, leaky, rate):
    samples = speechlike(rate // 2, rate)
    data, denoiser = as_bytes(samples), Denoiser(rate, leaky)
    quantised = np.frombuffer(data, "<i2").astype(np.float32) / 32768
    wanted = as_bytes(np.concatenate([denoiser.process(quantised), denoiser.flush()]))
    for sizes in ([640], [1], [1, 2, 3, 5, 7, 1001], [len(data)]):
        stream = PcmDenoiser(rate, model=leaky)
        out = b"".join(piece for _, piece in in_pieces(stream, data, sizes)) + stream.flush()
        assert out == wanted
        assert len(out) == len(data) + 2 * stream.latency


def test_a_torn_sample_waits_for_its_other_half(speechlike, identity):
    stream = PcmDenoiser(8000, 2, model=identity)
    data = as_bytes(speechlike(800, 8000))
    assert [len(stream.process(data[i : i + 3])) for i in range(0, 12, 3)] == [0, 4, 4, 4]
    assert len(stream.flush()) == 4 * stream.latency
    assert len(stream.process(data[:3])) == 0
    assert stream.flush() == b"\0" * 4 * stream.latency, "a quarter of a frame is no sound"


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_bytes_are_those_of_the_file(speechlike, rate, tmp_path):
    """The same sound through `rtdenoise --input in.wav --output out.wav`, byte for byte, both channels."""
    stereo = np.stack([speechlike(rate, rate, seed=1), 0.5 * speechlike(rate, rate, seed=2)], axis=1)
    soundfile.write(tmp_path / "in.wav", np.frombuffer(as_bytes(stereo), "<i2").reshape(-1, 2), rate)
    arguments = ["--input", tmp_path / "in.wav", "--output", tmp_path / "out.wav", "--profile", "asr"]
    done = run("-q", *arguments)
    assert done.code == 0, done.err
    wanted, _ = soundfile.read(tmp_path / "out.wav", dtype="int16")
    stream = PcmDenoiser(rate, 2, profile="asr")
    out = b"".join(piece for _, piece in in_pieces(stream, as_bytes(stereo), [4 * rate // 50])) + stream.flush()
    assert out[4 * stream.latency :] == wanted.astype("<i2").tobytes()


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_sixteen_milliseconds_late_whatever_is_switched(noise, rate):
    """Bypassed, denoised, bypassed: the bypassed parts are the input, 16 ms later, before and after."""
    stream = PcmDenoiser(rate, bypass=True)
    late, block, half = stream.latency, rate // 100, rate // 2
    assert stream.latency_seconds == 0.016
    samples, parts = 0.1 * noise(3 * half), []
    for start in range(0, 3 * half, block):
        stream.bypass = not half <= start < 2 * half
        parts.append(stream.process(as_bytes(samples[start : start + block])))
    given, settled = np.frombuffer(b"".join(parts), "<i2").astype(int), rate // 10
    difference = np.abs(given[late:] - np.frombuffer(as_bytes(samples), "<i2")[:-late])
    assert difference[: half - 2 * late].max() <= 1
    assert difference[half + settled : 2 * half - 2 * late].max() > 100
    assert difference[2 * half + settled :].max() <= 1


def test_limit_and_reset_count_for_all_channels(constant, noise):
    stream = PcmDenoiser(16000, 2, model=constant(0.0), attenuation_limit_db=20)
    data = as_bytes(np.repeat(noise(16000)[:, None], 2, axis=1))
    assert stream.attenuation_limit_db == 20
    first = stream.process(data)
    stream.attenuation_limit_db = None
    stream.reset()
    assert np.abs(np.frombuffer(first, "<i2")).max() > 1000
    assert not np.frombuffer(stream.process(data), "<i2")[2 * 1024 :].any()
    assert not stream.bypass


def test_what_is_not_possible(tmp_path):
    for channels in (0, -1, 1.5, "2"):
        with pytest.raises(ParameterError, match=r"channels=.* is not possible; give a whole number from 1 up"):
            PcmDenoiser(16000, channels)
    with pytest.raises(ParameterError, match="sample_rate=3999 is not possible"):
        PcmDenoiser(3999)
    with pytest.raises(ModelError):
        PcmDenoiser(model=tmp_path / "absent.onnx")
