"""Samples to bytes and back: nothing is shifted, scaled or wrapped."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from rtdenoise.files.pcm import F32LE, F64LE, S16LE, S24LE, S32LE, U8, decode, encode, quantise

ALL = {"PCM_U8": U8, "PCM_16": S16LE, "PCM_24": S24LE, "PCM_32": S32LE, "FLOAT": F32LE, "DOUBLE": F64LE}


@pytest.mark.parametrize("subtype", ALL)
def test_decoding_agrees_with_libsndfile(subtype):
    samples = np.random.default_rng(1).uniform(-0.99, 0.99, 999).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, format="RAW", subtype=subtype)
    theirs = soundfile.read(
        io.BytesIO(file.getvalue()), format="RAW", samplerate=8000, channels=1, subtype=subtype, dtype="float32"
    )[0]
    assert np.array_equal(decode(file.getvalue(), ALL[subtype]), theirs)


@pytest.mark.parametrize("encoding", ALL.values(), ids=lambda e: e.name)
def test_every_code_survives_decoding_and_encoding(encoding):
    data = np.random.default_rng(2).integers(0, 256, 256 * 24, dtype=np.uint8).tobytes()
    if encoding.kind == "f":
        data = np.random.default_rng(2).uniform(-3, 3, 999).astype(np.float32).astype(f"<f{encoding.width}").tobytes()
    if encoding.bits == 32 and encoding.kind == "s":  # float32 has 24 bits
        data = (np.frombuffer(data, "<i4") & ~0xFF).astype("<i4").tobytes()
    assert encode(decode(data, encoding), encoding) == data


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_quantising_rounds_to_the_nearest_and_clips(bits):
    step = 2.0 ** (1 - bits)
    samples = np.array([0, 0.4 * step, 0.6 * step, -0.4 * step, -0.6 * step, 1, 1.7, -1, -1.7], np.float32)
    full = 2 ** (bits - 1)
    assert quantise(samples, bits).tolist() == [0, 0, 1, 0, -1, full - 1, full - 1, -full, -full]


def test_floats_are_not_clipped():
    loud = np.array([3.5, -7.25], np.float32)
    assert decode(encode(loud, F32LE), F32LE).tolist() == loud.tolist()
