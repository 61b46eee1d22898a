"""Hazard: the engine around a model computes something else than the plain formula: rfft, mask, irfft, overlap-add.

Where a model asks for a filter after the mask, that filter's own slow twin is part of the formula.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from conftest import snr_db

from rtdenoise import denoise
from rtdenoise.config import NATIVE_RATES
from rtdenoise.pitch_filter import Memory, filter_hop_numpy, memory, plan
from rtdenoise.stft import design_windows


def plain(model, samples: np.ndarray, rate: int) -> np.ndarray:
    """The whole recording in double precision, with nothing of the engine but its windows."""
    transform = model.transform.at_rate(rate)
    window, hop, shared = transform.window_length, transform.hop_length, min(transform.n_bins, model.transform.n_bins)
    analysis, synthesis = design_windows(transform)
    session = onnxruntime.InferenceSession(str(model.path), providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_outputs()]
    seen = "features" if "compression" in model.metadata else "frame"
    states = {t.name: np.zeros(t.shape, np.float32) for t in session.get_inputs() if t.name != seen}
    planned = plan(model.transform, transform, design_windows(model.transform)[0])
    remembered = Memory(
        *(array.astype(np.result_type(array, np.float64)) for array in memory(model.transform, transform))
    )
    padded = np.concatenate([np.zeros(3 * window - hop), samples, np.zeros(2 * hop)])
    out = np.zeros(len(padded))
    for end in range(3 * window, len(padded) + 1, hop):
        spectrum = np.fft.rfft(padded[end - window : end] * analysis)
        frame = np.zeros(model.transform.n_bins, np.complex128)
        frame[:shared] = spectrum[:shared] * model.transform.window_length / window
        parts = np.stack([frame.real, frame.imag], axis=-1)[None]
        given = compressed(frame[:-1], model) if seen == "features" else parts
        results = dict(zip(names, session.run(names, {seen: given.astype(np.float32), **states}), strict=True))
        states = {name: results[f"next_{name}"] for name in states}
        mask = results["mask"][0].astype(np.float64) @ [1, 1j]
        mask = np.append(mask, mask[-1]) if seen == "features" else mask
        if model.pitch_filter is not None:
            weights = model.pitch_filter.astype(np.float64)
            filter_hop_numpy(
                padded[:end], analysis, np.empty(window), spectrum, mask, shared, 1.0, *planned, weights, *remembered
            )
        gain = np.empty(transform.n_bins, np.complex128)
        gain[:shared] = mask[:shared]
        if transform.n_bins > shared:
            top = slice(3 * (shared - 1) // 4, shared)
            gain[shared:] = np.average(np.abs(mask[top]), weights=np.abs(spectrum[top]) ** 2)
        out[end - 2 * hop : end] += np.fft.irfft(spectrum * gain, window)[-2 * hop :] * synthesis
    return out[3 * window - hop :][: len(samples)]


def compressed(frame: np.ndarray, model) -> np.ndarray:
    """``(1, 3, 1, bins)``: real part, imaginary part, magnitude, the magnitudes to the power that the model states."""
    magnitude = np.sqrt(np.abs(frame) ** 2 + 1e-10)
    factor = magnitude ** (float(model.metadata["compression"]) - 1)
    return (np.stack([frame.real, frame.imag, magnitude]) * factor)[None, :, None]


@pytest.mark.parametrize("rate", NATIVE_RATES)
def test_the_engine_equals_the_plain_formula(stateful, speechlike, rate):
    samples = speechlike(2 * rate, rate)
    assert snr_db(plain(stateful, samples, rate), denoise(samples, rate, stateful)) > 90
