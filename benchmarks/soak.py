"""Hours of live sound: what is lost, whether the latency holds, whether memory grows.

python -m benchmarks.soak --minutes 120
python -m benchmarks.soak --minutes 10 --hogs 4      # with other programs that compute on every core
python -m benchmarks.soak --minutes 10 --hogs 4 --no-priority  # and no right to go before them

`rtdenoise` runs as a process of its own between the sinks of a PulseAudio server of our own at 48 kHz; every minute its
counters, its stated and its measured latency, and its memory are printed. Exit code 1 where, after the first second,
more was lost than allowed (nothing; less than one underrun in ten minutes beside hogs), the latency left its place by
more than a block of ours and one of the server's, or memory grew by more than 1 MB an hour. Beside hogs and without
priority losses are allowed, but the sound has to flow, and the latency to be back a second after the hogs have ended.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import pulse
from .listening import RATE, listen
from .victim import Victim

_MEMORY_MB_PER_HOUR = 1.0
_SETTLING_MINUTES = 2.0  # in which pages are touched for the first time
_HEAD = """\
| min | played s | underruns | driver | late ms | corrections | drift ppm | stated ms | measured ms | load p99 | MB |
|---|---|---|---|---|---|---|---|---|---|---|"""


def resident_mb(process: int) -> float:
    """The process's resident memory in MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def slope_per_hour(minutes: list[float], values: list[float]) -> float:
    """Of a straight line through the values; 0 where there are too few."""
    return float(np.polyfit(minutes, values, 1)[0] * 60) if len(minutes) > 2 else 0.0


def run(minutes: float, hogs: int, every: float, *, priority: bool = True) -> int:
    """Run, print a table; the exit code."""
    server, busy = pulse.Server(RATE), []
    try:
        victim = Victim(server, priority=priority)
        time.sleep(1.0)
        first = victim.ask()
        block_ms = first["block_length"] / RATE * 1e3
        who = "real-time" if first["real_time"] else "ordinary"
        print(f"{minutes:g} minutes, {hogs} hogs, {who} priority, blocks of {first['block_length']} at {RATE} Hz\n")
        print(_HEAD, flush=True)
        begun, rows = time.monotonic(), [look(server, victim, first, 0.0)]
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(hogs)]
        while (passed := time.monotonic() - begun) < minutes * 60:
            time.sleep(max(0.0, min(every, minutes * 60 - passed)))
            rows.append(look(server, victim, first, (time.monotonic() - begun) / 60))
        if busy:
            end(busy)
            time.sleep(1.0)  # after which the latency is to be what it was
            rows.append(look(server, victim, first, (time.monotonic() - begun) / 60))
        victim.end()
    finally:
        end(busy)
        with contextlib.suppress(OSError):
            server.stop()
    settled = [row for row in rows if row.minute >= min(_SETTLING_MINUTES, minutes / 2)]
    growth = slope_per_hour([row.minute for row in settled], [row.memory_mb for row in settled])
    measured = [row.measured_ms for row in rows if row.measured_ms == row.measured_ms]
    off = max(measured) - min(measured)
    share = (rows[-1].played_seconds - rows[0].played_seconds) / (60 * (rows[-1].minute - rows[0].minute) or 1)
    flowed = share > (0.99 if priority or not hogs else 0.5)
    returned = abs(rows[-1].measured_ms - rows[0].measured_ms) <= 2 * block_ms
    undisturbed = rows[-1].underruns < (minutes / 10 if hogs else 1) and off <= 2 * block_ms
    good = flowed and returned and growth < _MEMORY_MB_PER_HOUR and (undisturbed or (hogs > 0 and not priority))
    print(
        f"\nunderruns {rows[-1].underruns}, latency {np.median(measured):.1f} ms, spread {off:.1f} ms (a block is "
        f"{block_ms:.1f}), at the end {rows[-1].measured_ms - rows[0].measured_ms:+.1f} ms, memory {growth:+.2f} MB an "
        f"hour, {share:.0%} of the time played: {'as it should be' if good else 'NOT as it should be'}"
    )
    return 0 if good else 1


@dataclass
class Row:
    """How it stands after some minutes."""

    minute: float
    played_seconds: float
    underruns: int
    measured_ms: float
    memory_mb: float


def look(server: pulse.Server, victim: Victim, first: dict, minute: float) -> Row:
    """Measure, and print a row."""
    block_ms, measured = first["block_length"] / RATE * 1e3, float("nan")
    for _ in range(3):  # a recorder that was starved hears nothing
        measured = listen(server, time.monotonic(), None, block_ms, seconds=2.0).latency_ms
        if measured == measured:
            break
    report = victim.ask()
    played, driver = report["samples_out"] / RATE, report["output_underflows"] + report["input_overflows"]
    row = Row(minute, played, report["underruns"] - first["underruns"], measured, resident_mb(victim.process.pid))
    print(
        f"| {minute:.1f} | {played:.1f} | {row.underruns} | {driver} | {report['late_samples'] / RATE * 1e3:.1f} | "
        f"{report['latency_corrections']} | {report['drift_ppm']:+.0f} | {report['latency_ms']:.1f} | {measured:.1f} | "
        f"{report['load']['p99']:.1%} | {row.memory_mb:.1f} |",
        flush=True,
    )
    return row


def end(processes: list[subprocess.Popen]) -> None:
    """End the hogs."""
    for process in processes:
        process.kill()
        process.wait()
    processes.clear()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--hogs", type=int, default=0, help="processes that compute meanwhile; default: %(default)s")
    parser.add_argument("--no-priority", action="store_true", help="as where the system grants no real-time priority")
    parser.add_argument("--every", type=float, default=60.0, metavar="S", help="seconds between two rows")
    arguments = parser.parse_args()
    reason = pulse.why_not()
    if reason is not None:
        print(f"soak: no sound server can run here: {reason}", file=sys.stderr)
        return 2
    return run(arguments.minutes, arguments.hogs, arguments.every, priority=not arguments.no_priority)


if __name__ == "__main__":
    sys.exit(main())
