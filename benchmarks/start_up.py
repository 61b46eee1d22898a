"""``python -m benchmarks.start_up``: how long a user waits, and how much memory a live stream takes.

Each figure is the median over fresh processes, after one that fills the caches.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

#: A live stream over a simulated device: prints when the first denoised samples were played, and the memory after 3 s.
_LIVE = """
import time, resource, sys
from rtdenoise import Live
from rtdenoise.live.clock import SimulatedDevice
device = SimulatedDevice(48000)
with Live(device, device) as live:
    while not live.stats.samples_out:
        time.sleep(0.002)
    print(time.time())
    live.wait(3)
scale = 2**20 if sys.platform == "darwin" else 2**10
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale)
"""


def seconds(command: list[str], runs: int) -> float:
    """Median wall time of a command."""
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def live(runs: int) -> tuple[float, float]:
    """Medians of the seconds from a process's start to its first live sound, and of its memory in MB."""
    waits, memories = [], []
    for _ in range(runs + 1):
        start = time.time()
        done = subprocess.run([sys.executable, "-c", _LIVE], check=True, capture_output=True, text=True)
        first_sound, memory = map(float, done.stdout.split())
        waits.append(first_sound - start)
        memories.append(memory)
    return statistics.median(waits[1:]), statistics.median(memories[1:])


def main() -> None:
    """Run from a command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start_up", description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    bare = seconds([sys.executable, "-c", "pass"], runs)
    print(f"bare interpreter: {bare:.3f} s")
    for name, arguments in {
        "import rtdenoise": ["-c", "import rtdenoise"],
        "rtdenoise --help": ["-m", "rtdenoise", "--help"],
    }.items():
        whole = seconds([sys.executable, *arguments], runs)
        print(f"{name}: {whole:.3f} s, {whole - bare:.3f} s of it beside the interpreter's own start")
    wait, memory = live(runs)
    print(f"first live sound: {wait:.3f} s after the start of the process; memory after 3 s: {memory:.0f} MB")


if __name__ == "__main__":
    main()
