"""``python -m benchmarks.hop_time``: time of one hop, all Python included, as fast as it goes and paced as live.

Loads are times over the deadline, the time between two hops. On a shared machine trust the median and the ratios.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc

import numpy as np
from numpy.typing import NDArray

from rtdenoise import Denoiser, Model
from rtdenoise.config import NATIVE_RATES

PERCENTILES = (50, 99, 99.9, 100)


def hop_seconds(denoiser: Denoiser, hops: int, paced: bool) -> NDArray[np.float64]:
    """(hops,) seconds of ``process`` for each hop of a noise."""
    hop = denoiser.hop_length
    samples = (0.1 * np.random.default_rng(0).standard_normal(hop * 64)).astype(np.float32)
    seconds = np.empty(hops)
    due = time.perf_counter()
    for i in range(-50, hops):
        if paced:
            due += hop / denoiser.sample_rate
            time.sleep(max(0.0, due - time.perf_counter()))
        block = samples[i % 64 * hop : i % 64 * hop + hop]
        start = time.perf_counter()
        denoiser.process(block)
        if i >= 0:
            seconds[i] = time.perf_counter() - start
    return seconds


def model_seconds(model: Model, hops: int = 2000) -> NDArray[np.float64]:
    """(hops,) seconds of the model alone, as fast as it goes."""
    state = model.initial_state()
    state.frame[:] = np.random.default_rng(0).standard_normal(len(state.frame))
    seconds = np.empty(hops)
    for i in range(hops):
        start = time.perf_counter()
        model.advance(state)
        seconds[i] = time.perf_counter() - start
    return seconds


def bytes_kept_per_hop(denoiser: Denoiser, hops: int = 400) -> tuple[float, int]:
    """Memory that stays after a hop (mean), and the largest amount that a hop takes beside what it returns."""
    hop = np.zeros(denoiser.hop_length, np.float32)
    for _ in range(50):
        denoiser.process(hop)
    tracemalloc.start()
    before, largest = tracemalloc.get_traced_memory()[0], 0
    for _ in range(hops):
        tracemalloc.reset_peak()
        at_start = tracemalloc.get_traced_memory()[0]
        out = denoiser.process(hop)
        largest = max(largest, tracemalloc.get_traced_memory()[1] - at_start - out.nbytes)
        del out
    kept = (tracemalloc.get_traced_memory()[0] - before) / hops
    tracemalloc.stop()
    return kept, largest


def main() -> None:
    """Run from a command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hop_time", description=__doc__)
    parser.add_argument("--model", default="stream")
    parser.add_argument("--hops", type=int, default=3000, help="hops per row")
    given = parser.parse_args()
    model = Model.load(given.model)
    alone = np.median(model_seconds(model)) * 1e6
    print(f"model {model.name} {model.version}: {alone:.0f} us a hop alone, {model.metadata['macs_per_hop']} MACs")
    print("\n| rate | pace | p50 us | p99 us | p99.9 us | max us | load p50 | p99 | misses |\n" + 9 * "|---" + "|")
    for rate in (*NATIVE_RATES, 44100):
        for paced in (False, True):
            denoiser = Denoiser(rate, model)
            deadline = denoiser.hop_length / rate
            hops = given.hops // 3 if paced else given.hops
            seconds = hop_seconds(denoiser, hops, paced)
            figures = np.percentile(seconds, PERCENTILES)
            print(
                f"| {rate} | {'8 ms' if paced else 'hot'} | {' | '.join(f'{1e6 * f:.0f}' for f in figures)} "
                f"| {figures[0] / deadline:.4f} | {figures[1] / deadline:.4f} "
                f"| {(seconds > deadline).sum()} of {hops} |",
                flush=True,
            )
    kept, largest = bytes_kept_per_hop(Denoiser(16000, model))
    print(
        f"\nmemory at 16 kHz: {kept:.1f} bytes stay per hop; a hop takes at most {largest} beside the array it returns"
    )


if __name__ == "__main__":
    main()
