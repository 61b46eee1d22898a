"""Hazard: the packaged unet8k is not what its card says, or does not get through the doors that stream goes through."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from conftest import snr_db
from tiny_context_models import save_context

from rtdenoise import Denoiser, Model, available_models, denoise
from rtdenoise.commands.demo import load_sample
from rtdenoise.config import CONTEXT_TRANSFORM
from rtdenoise.live.clock import SimulatedDevice
from rtdenoise.live.latency import plan_latency
from rtdenoise.live.session import Live
from train.metrics import si_sdr_db


@pytest.fixture(scope="module")
def speech() -> tuple[np.ndarray, np.ndarray]:
    """Four seconds of the packaged sample at 8 kHz, noisy and clean."""
    sample = load_sample()
    noisy, clean = (soxr.resample(s, sample.sample_rate, 8000)[:32_000] for s in (sample.noisy, sample.clean))
    return noisy, clean


def test_it_describes_itself():
    info = {info.name: info for info in available_models()}["unet8k"]
    assert (info.sample_rate, info.parameters, info.macs_per_hop) == (8000, 1_941_093, 858_554_368)
    assert info.latency_seconds == pytest.approx(0.252)
    assert Model.load("unet8k").transform == CONTEXT_TRANSFORM
    assert info.path.stat().st_size < 4_000_000


@pytest.mark.parametrize("overlap", [0.5, 0.875])
def test_it_denoises_and_the_output_lies_on_the_input(speech, overlap):
    noisy, clean = speech
    late = Denoiser(8000, "unet8k", overlap=overlap)
    streamed = np.concatenate([late.process(noisy), late.flush()])
    assert si_sdr_db(streamed[late.latency :], clean) > si_sdr_db(noisy, clean) + 3
    spectrum = np.fft.rfft(streamed, 1 << 18) * np.conj(np.fft.rfft(noisy, 1 << 18))
    assert np.argmax(np.fft.irfft(spectrum)) == late.latency


def test_any_block_size_gives_the_same_bits(speech):
    noisy = speech[0][:20_000]
    denoiser = Denoiser(8000, "unet8k")
    whole = np.concatenate([denoiser.process(noisy), denoiser.flush()])
    for size in (509, 8193):
        blocks = [denoiser.process(noisy[start : start + size]) for start in range(0, len(noisy), size)]
        assert np.array_equal(np.concatenate([*blocks, denoiser.flush()]), whole)


@pytest.mark.parametrize("level_dbfs", [-45, -6])
def test_clean_speech_is_left_alone_at_any_level(speech, level_dbfs):
    """A reference that follows the signal would make this depend on the level."""
    clean = speech[1]
    clean = clean * np.float32(min(10 ** (level_dbfs / 20) / clean.std(), 0.99 / np.abs(clean).max()))
    assert si_sdr_db(denoise(clean, 8000, "unet8k"), clean) > 12


def test_noise_alone_gets_quiet(noise):
    hiss = 0.02 * noise(40_000)
    rest = denoise(hiss, 8000, "unet8k")[8064:-8064]
    assert 20 * np.log10(rest.std() / hiss.std()) < -15


def test_a_stream_is_the_same_wherever_its_frames_begin(speech):
    """The level of a frame may not depend on what else is in it: what a frame's own reference would do."""
    noisy = speech[0]
    whole = denoise(noisy, 8000, "unet8k")
    later = denoise(np.concatenate([np.zeros(504, np.float32), noisy]), 8000, "unet8k")[504:]
    assert snr_db(whole[8064:-8064], later[8064:-8064]) > 8


def test_live_on_a_simulated_device_lands_where_the_latency_says(tmp_path):
    model = Model.load(save_context(tmp_path / "unchanged.onnx"))
    for rate in (8000, 48000):
        impulse = np.zeros(rate, np.float32)
        impulse[rate // 4 - 20 : rate // 4 + 21] = 0.5 * np.hanning(41)
        device = SimulatedDevice(rate, impulse, paced=False)
        with Live(device, device, model=model, overlap=0.75) as live:
            device.step(2 * rate // device.block_length)
            late = round(live.latency_seconds * rate)
            assert live.denoiser.overlap == 0.75
        assert abs(np.argmax(np.abs(device.heard[:, 0])) - rate // 4 - late) <= 1
        assert live.stats.clean


def test_live_waits_for_hops_that_are_much_work():
    plan = plan_latency("low", 8000)
    assert plan.with_hops_of(0.0005, 8000) == plan
    assert plan.with_hops_of(0.020, 8000).prefill == plan.prefill + 320
