"""How long hops take on this machine, one after the other or paced as live: after each, the processor has slept."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engine import Denoiser
from .priority import WORKER_PRIORITY, promote_worker
from .realtime import quiet_interpreter
from .realtime_kit import ask_realtime_kit

_WARM_UP_HOPS = 20
_SIGNAL_HOPS = 64


@dataclass(frozen=True)
class HopTimes:
    """What `time_hops` measured.

    Attributes:
        seconds: (n,) float64, of ``process`` for each hop, all Python included.
        deadline_seconds: the time between two hops.
        promoted: whether the thread ran before all ordinary ones.
    """

    seconds: NDArray[np.float64]
    deadline_seconds: float
    promoted: bool

    @property
    def misses(self) -> int:
        """Hops that took longer than there is time between two."""
        return int(np.sum(self.seconds > self.deadline_seconds))

    def percentile(self, percent: float) -> float:
        """The seconds under which ``percent`` (0 to 100) of the hops stayed."""
        return float(np.percentile(self.seconds, percent))


def time_hops(denoiser: Denoiser, hops: int, *, paced: bool, priority: bool = False) -> HopTimes:
    """Send ``hops`` hops of noise through ``denoiser``, in a thread of its own under the conditions of a live stream.

    Args:
        denoiser: any; it has heard noise afterwards.
        hops: 1 or more.
        paced: wait for each hop as for a microphone; otherwise as fast as it goes.
        priority: run the thread before all ordinary ones, where the system lets us, as a live worker does.
    """
    with quiet_interpreter(), ThreadPoolExecutor(1) as pool:
        promoted = priority and _promote(pool, denoiser.hop_length / denoiser.sample_rate)
        return pool.submit(_time_hops, denoiser, hops, paced, promoted).result()


def _promote(pool: ThreadPoolExecutor, hop_seconds: float) -> bool:
    if pool.submit(promote_worker, hop_seconds).result():
        return True
    thread = pool.submit(threading.get_native_id).result()
    return thread in ask_realtime_kit({thread: WORKER_PRIORITY})


def _time_hops(denoiser: Denoiser, hops: int, paced: bool, promoted: bool) -> HopTimes:
    hop, deadline_seconds = denoiser.hop_length, denoiser.hop_length / denoiser.sample_rate
    noise = (0.1 * np.random.default_rng(0).standard_normal((_SIGNAL_HOPS, hop))).astype(np.float32)
    seconds = np.empty(hops)
    due = time.perf_counter()
    for i in range(-_WARM_UP_HOPS, hops):
        if paced:
            due += deadline_seconds
            time.sleep(max(0.0, due - time.perf_counter()))
        begun = time.perf_counter()
        denoiser.process(noise[i % _SIGNAL_HOPS])
        if i >= 0:
            seconds[i] = time.perf_counter() - begun
    return HopTimes(seconds, deadline_seconds, promoted)
