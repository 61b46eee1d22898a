"""The latency before, during and after stalls of the process, and while other programs compute on every core.

python -m benchmarks.stalls

Between the sinks of a PulseAudio server of our own runs `Live` with a model that leaves the sound as it is. One
recording holds both ends all the while, so each row is seen from outside: the latency before; how long the loudspeakers
were silent; how many seconds after the stall the latency was back, to two blocks (see `faults`); the latency from then
on; and the silence that the process itself counted, to which the driver's own gaps come. Exit code 1 where the latency
was not back within a second.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import pulse
from .listening import RATE, STEP, WINDOW, listening, locate_ms
from .victim import Victim

BACK_SECONDS = 1.0
_BEFORE_SECONDS, _AFTER_SECONDS = 1.5, 2.5
_STOPS = (0.02, 0.1, 0.5, 1.0, 3.0)
_HOG_SECONDS = 5.0
_GAP = RATE // 200  # samples of silence that count as one


@dataclass
class Row:
    """What was heard of one stall, see the module."""

    what: str
    before_ms: float
    silent_ms: float
    back: float
    after_ms: float
    counted_ms: float
    driver: int
    good: bool


def silent_samples(samples: np.ndarray) -> int:
    """How many samples lie in gaps: at least 5 ms of nothing."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], samples == 0.0, [False]]).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return int(lengths[lengths >= _GAP].sum())


def measure(server: pulse.Server, victim: Victim, what: str, stall: Callable[[], None]) -> Row:
    """Let ``stall`` happen while both ends are recorded."""
    first = victim.ask()
    with listening(server, seconds=_BEFORE_SECONDS + 2 * _HOG_SECONDS + _AFTER_SECONDS) as recording:
        begun = time.monotonic()
        time.sleep(_BEFORE_SECONDS)
        stalled = time.monotonic() - begun
        stall()
        over = time.monotonic() - begun
        time.sleep(_AFTER_SECONDS)
    last, recorded = victim.ask(), recording[0]
    starts = np.arange(0, len(recorded) - WINDOW, STEP)
    lags = np.array([locate_ms(recorded, start) or np.nan for start in starts])
    before = float(np.nanmedian(lags[starts + WINDOW < stalled * RATE]))
    tolerance_ms = 2e3 * first["block_length"] / RATE
    wrong = np.flatnonzero(~(np.abs(lags - before) <= tolerance_ms) & (starts + WINDOW > over * RATE))
    back = max(0.0, (starts[wrong[-1]] + STEP) / RATE - over) if len(wrong) else 0.0
    after = float(np.nanmedian(lags[starts > (over + BACK_SECONDS) * RATE]))
    counted = (last["underrun_samples"] - first["underrun_samples"]) / RATE * 1e3
    driver = sum(last[name] - first[name] for name in ("output_underflows", "input_overflows"))
    silent = silent_samples(recorded[round((stalled - 0.1) * RATE) :, 1]) / RATE * 1e3
    return Row(what, before, silent, back, after, counted, driver, back <= BACK_SECONDS)


def stop_process(victim: Victim, seconds: float) -> Callable[[], None]:
    """The process does not get the processor."""

    def stall() -> None:
        victim.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        victim.process.send_signal(signal.SIGCONT)

    return stall


def hog() -> None:
    """Other programs compute on every core."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    time.sleep(_HOG_SECONDS)
    for process in hogs:
        process.kill()
        process.wait()


def run() -> int:
    """Run, print a table; the exit code."""
    rows: list[Row] = []
    server = pulse.Server(RATE)
    try:
        print("| stall | before ms | silent ms | back after s | after ms | counted ms | driver's gaps | ok |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for priority in (True, False):
            victim = Victim(server, priority=priority)
            who = "real-time" if victim.ask()["real_time"] else "ordinary"
            stalls = [(f"stopped for {seconds:g} s", stop_process(victim, seconds)) for seconds in _STOPS]
            for what, stall in [*stalls, (f"hogs for {_HOG_SECONDS:g} s", hog)]:
                rows.append(row := measure(server, victim, f"{what}, {who} priority", stall))
                print(
                    f"| {row.what} | {row.before_ms:.1f} | {row.silent_ms:.0f} | {row.back:.1f} | {row.after_ms:.1f} | "
                    f"{row.counted_ms:.0f} | {row.driver} | {'yes' if row.good else 'NO'} |",
                    flush=True,
                )
            victim.end()
    finally:
        server.stop()
    print(f"\n{sum(row.good for row in rows)} of {len(rows)} back within {BACK_SECONDS:g} s")
    return 0 if all(row.good for row in rows) else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    reason = pulse.why_not()
    if reason is not None:
        print(f"stalls: no sound server can run here: {reason}", file=sys.stderr)
        return 2
    return run()


if __name__ == "__main__":
    sys.exit(main())
