"""Hazard: streams that share a model disturb each other."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
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


@pytest.fixture
def stubborn_threads():
    """A thread that runs Python does not give up the interpreter because others wait; only who lets go of it does."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(interval)


def lets_others_run(call: Callable[[], object], seconds: float) -> bool:
    """Whether another thread gets to run while this one does nothing but to ``call``, for so long at most."""
    gate, ran = threading.Event(), []

    def other() -> None:
        gate.wait()
        ran.append(True)

    thread = threading.Thread(target=other)
    thread.start()
    gate.set()
    end = time.monotonic() + seconds
    while not ran and time.monotonic() < end:
        call()
    found = bool(ran)
    thread.join()
    return found


@pytest.mark.usefixtures("stubborn_threads")
def test_a_kernel_lets_other_threads_run(noise):
    samples = noise(10_000_000)
    out = np.empty_like(samples)
    assert lets_others_run(lambda: sanitise(samples, out), 60)
    assert not lets_others_run(lambda: sum(range(100_000)), 0.5)  # which does not let go of the interpreter
