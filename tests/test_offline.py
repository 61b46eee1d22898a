"""Hazard: the engine around a model computes something else than the plain formula: rfft, mask, irfft, overlap-add."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from conftest import snr_db

from rtdenoise import denoise
from rtdenoise.config import NATIVE_RATES
from rtdenoise.stft import design_windows


def plain(model, samples: np.ndarray, rate: int) -> np.ndarray:
    """The whole recording in double precision, with nothing of the engine but its windows."""
    transform = model.transform.at_rate(rate)
    window, hop, shared = transform.window_length, transform.hop_length, min(transform.n_bins, model.transform.n_bins)
    analysis, synthesis = design_windows(transform)
    session = onnxruntime.InferenceSession(str(model.path), providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_outputs()]
    states = {t.name: np.zeros(t.shape, np.float32) for t in session.get_inputs() if t.name != "frame"}
    padded = np.concatenate([np.zeros(window - hop), samples, np.zeros(2 * hop)])
    out = np.zeros(len(padded))
    for end in range(window, len(padded) + 1, hop):
        spectrum = np.fft.rfft(padded[end - window : end] * analysis)
        frame = np.zeros((1, model.transform.n_bins, 2), np.float32)
        scaled = spectrum[:shared] * model.transform.window_length / window
        frame[0, :shared] = np.stack([scaled.real, scaled.imag], axis=-1)
        results = dict(zip(names, session.run(names, {"frame": frame, **states}), strict=True))
        states = {name: results[f"next_{name}"] for name in states}
        mask = results["mask"][0].astype(np.float64) @ [1, 1j]
        gain = np.empty(transform.n_bins, np.complex128)
        gain[:shared] = mask[:shared]
        if transform.n_bins > shared:
            top = slice(3 * (shared - 1) // 4, shared)
            gain[shared:] = np.average(np.abs(mask[top]), weights=np.abs(spectrum[top]) ** 2)
        out[end - 2 * hop : end] += np.fft.irfft(spectrum * gain, window)[-2 * hop :] * synthesis
    return out[window - hop :][: len(samples)]


@pytest.mark.parametrize("rate", NATIVE_RATES)
def test_the_engine_equals_the_plain_formula(stateful, speechlike, rate):
    samples = speechlike(2 * rate, rate)
    assert snr_db(plain(stateful, samples, rate), denoise(samples, rate, stateful)) > 90
