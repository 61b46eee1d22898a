"""``python -m benchmarks.peak``: multiply-accumulates a second that one core reaches in a large matrix product.

No model can be faster than its multiply-accumulates over this; how far it is from that says what is left to gain.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import numpy as np

from .streaming import ONE_THREAD, ROOT

SIZE = 1024
RUNS = 12


def measure_peak() -> float:
    """Multiply-accumulates a second, float32, in a process kept to one core and one thread."""
    command = [sys.executable, "-m", "benchmarks.peak"]
    done = subprocess.run(command, env=os.environ | ONE_THREAD, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


def main() -> None:
    """Print the figure of this process; the fastest run counts. CPU time: others may be busy."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    a, b = np.random.default_rng(0).standard_normal((2, SIZE, SIZE)).astype(np.float32)
    out = np.empty_like(a)
    seconds = []
    for _ in range(RUNS):
        begun = time.process_time()
        np.matmul(a, b, out=out)
        seconds.append(time.process_time() - begun)
    print(json.dumps(SIZE**3 / min(seconds)))


if __name__ == "__main__":
    main()
