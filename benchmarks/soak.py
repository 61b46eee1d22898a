"""Hours of live sound: what is lost, whether the latency holds, whether memory grows.

python -m benchmarks.soak --minutes 120
python -m benchmarks.soak --minutes 10 --hogs 4      # with other programs that compute on every core

`rtdenoise` runs as a process of its own between the sinks of a PulseAudio server of our own at 48 kHz; every minute its
counters, its stated and its measured latency, and its memory are printed. Exit code 1 where, after the first second,
more was lost than allowed, the latency left its place by more than a block, or memory grew by more than 1 MB an hour.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from . import pulse
from .listening import RATE, listen
from .victim import Victim

_MEMORY_MB_PER_HOUR = 1.0
_SETTLING_MINUTES = 2.0  # in which pages are touched for the first time


def resident_mb(process: int) -> float:
    """The process's resident memory in MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def slope_per_hour(minutes: list[float], values: list[float]) -> float:
    """Of a straight line through the values; 0 where there are too few."""
    return float(np.polyfit(minutes, values, 1)[0] * 60) if len(minutes) > 2 else 0.0


def run(minutes: float, hogs: int, every: float) -> int:
    """Run, print a table; the exit code."""
    server = pulse.Server(RATE)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(hogs)]
    try:
        victim = Victim(server)
        time.sleep(1.0)
        first = victim.ask()
        block_ms = first["block_length"] / RATE * 1e3
        print(f"{minutes:g} minutes, {hogs} hogs, blocks of {first['block_length']} at {RATE} Hz\n")
        print("| min | underruns | late ms | corrections | drift ppm | stated ms | measured ms | load p99 | MB |")
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        begun, rows = time.monotonic(), []
        while (passed := (time.monotonic() - begun) / 60) < minutes or not rows:
            measured = float("nan")
            for _ in range(3):  # a recorder that was starved hears nothing
                _, measured = listen(server, time.monotonic(), None, block_ms, seconds=2.0)
                if measured == measured:
                    break
            report, memory = victim.ask(), resident_mb(victim.process.pid)
            rows.append((passed, report["underruns"] - first["underruns"], measured, memory))
            print(
                f"| {passed:.1f} | {rows[-1][1]} | {report['late_samples'] / RATE * 1e3:.1f} | "
                f"{report['latency_corrections']} | {report['drift_ppm']:+.0f} | {report['latency_ms']:.1f} | "
                f"{measured:.1f} | {report['load']['p99']:.1%} | {memory:.1f} |",
                flush=True,
            )
            time.sleep(max(0.0, min(every, minutes * 60 - (time.monotonic() - begun))))
        victim.end()
    finally:
        for process in busy:
            process.kill()
            process.wait()
        with contextlib.suppress(OSError):
            server.stop()
    measured = [row[2] for row in rows]
    settled = [row for row in rows if row[0] >= min(_SETTLING_MINUTES, minutes / 2)]
    growth = slope_per_hour([row[0] for row in settled], [row[3] for row in settled])
    off = max(measured) - min(measured)
    allowed = minutes / 10 if hogs else 0
    good = rows[-1][1] <= allowed and off <= 2 * block_ms and growth < _MEMORY_MB_PER_HOUR
    verdict = "as it should be" if good else "NOT as it should be"
    print(
        f"\nunderruns {rows[-1][1]} (allowed {allowed:g}), latency {np.median(measured):.1f} ms, spread {off:.1f} ms "
        f"(a block is {block_ms:.1f}), memory {growth:+.2f} MB an hour: {verdict}"
    )
    return 0 if good else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--hogs", type=int, default=0, help="processes that compute meanwhile; default: %(default)s")
    parser.add_argument("--every", type=float, default=60.0, metavar="S", help="seconds between two rows")
    arguments = parser.parse_args()
    reason = pulse.why_not()
    if reason is not None:
        print(f"soak: no sound server can run here: {reason}", file=sys.stderr)
        return 2
    return run(arguments.minutes, arguments.hogs, arguments.every)


if __name__ == "__main__":
    sys.exit(main())
