"""Hazard: streams that share a model disturb each other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rtdenoise import Denoiser
from rtdenoise.stft import sanitise


def run(model, rate: int, samples: np.ndarray, start: threading.Barrier | None = None) -> np.ndarray:
    denoiser = Denoiser(rate, model)
    if start is not None:
        start.wait(20)
    blocks = [denoiser.process(samples[i : i + 200]) for i in range(0, len(samples), 200)]
    return np.concatenate([*blocks, denoiser.flush()])


@pytest.mark.parametrize("rates", [(16000, 16000), (16000, 48000), (44100, 44100), (8000, 16000, 32000, 44100)])
def test_streams_of_one_model_in_threads_equal_the_same_in_a_row(stateful, speechlike, rates):
    signals = [speechlike(3 * rate, rate, seed=index) for index, rate in enumerate(rates)]
    serial = [run(stateful, rate, samples) for rate, samples in zip(rates, signals, strict=True)]
    start = threading.Barrier(len(rates))
    with ThreadPoolExecutor(len(rates)) as pool:
        jobs = [pool.submit(run, stateful, *job, start) for job in zip(rates, signals, strict=True)]
        parallel = [job.result() for job in jobs]
    for one, other in zip(serial, parallel, strict=True):
        assert np.array_equal(one, other)


def test_streams_of_one_model_in_turns_equal_the_same_in_a_row(stateful, speechlike):
    signals = [speechlike(16000, seed=1), speechlike(16000, seed=2)]
    serial = [Denoiser(16000, stateful).process(samples) for samples in signals]
    denoisers = [Denoiser(16000, stateful) for _ in signals]
    parts = [[], []]
    for start in range(0, 16000, 300):
        for part, denoiser, samples in zip(parts, denoisers, signals, strict=True):
            part.append(denoiser.process(samples[start : start + 300]))
    for one, part in zip(serial, parts, strict=True):
        assert np.array_equal(one, np.concatenate(part))


def test_a_kernel_lets_other_threads_run(noise):
    """A thread that counts goes on counting while another is inside one long call of a kernel."""
    samples = noise(10_000_000)
    out, counted, stop = np.empty_like(samples), [0], threading.Event()

    def count() -> None:
        while not stop.is_set():
            counted[0] += 1

    counter = threading.Thread(target=count)
    counter.start()
    try:
        during = []
        for _ in range(20):
            before = counted[0]
            sanitise(samples, out)
            during.append(counted[0] - before)
    finally:
        stop.set()
        counter.join()
    assert np.median(during) > 100
