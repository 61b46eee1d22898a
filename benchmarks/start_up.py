"""``python -m benchmarks.start_up``: how long a user waits, and how much memory a live stream takes.

Each figure is the median over fresh processes, after one that fills the caches.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

_FIRST_AUDIO = """
import time, sys
from rtdenoise import Denoiser
import numpy as np
denoiser = Denoiser(16000)
denoiser.process(np.zeros(denoiser.hop_length, np.float32))
"""

_LIVE_MEMORY = """
import re, sys, subprocess
from rtdenoise.demo import main_for_memory
"""


def seconds(command: list[str], runs: int) -> float:
    """Median wall time of a command."""
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> None:
    """Run from a command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start_up", description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    bare = seconds([sys.executable, "-c", "pass"], runs)
    rows = {
        "import rtdenoise": [sys.executable, "-c", "import rtdenoise"],
        "rtdenoise --help": [sys.executable, "-m", "rtdenoise", "--help"],
        "first denoised hop": [sys.executable, "-c", _FIRST_AUDIO],
    }
    print(f"bare interpreter: {bare:.3f} s")
    for name, command in rows.items():
        whole = seconds(command, runs)
        print(f"{name}: {whole:.3f} s, {whole - bare:.3f} s of it beside the interpreter's own start")


if __name__ == "__main__":
    main()
