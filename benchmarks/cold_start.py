"""How long a user waits until sound flows, part by part, and what a live stream takes. A part of `hop_time`.

Every figure comes from fresh processes, the median of some, after one that fills the caches.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from .streaming import ROOT

#: How long a live stream is watched.
LIVE_SECONDS = 3.0

#: Prints when each part was done. Kernels are compiled, or read from numba's cache, when their module is imported.
_PARTS = """
import json, sys, time
marks = [("interpreter", time.time())]
import numpy, numba, rocket_fft, onnxruntime
marks.append(("imports", time.time()))
from rtdenoise import Denoiser, Model
marks.append(("compile", time.time()))
model = Model.load(sys.argv[1])
marks.append(("session", time.time()))
denoiser = Denoiser(16000, model)
denoiser.process(numpy.zeros(denoiser.hop_length, numpy.float32))
marks.append(("first hop", time.time()))
from benchmarks.scaling import resident_bytes
print(json.dumps([marks, resident_bytes()]))
"""

#: A live stream over a simulated device: prints when the first denoised samples were played; and of some seconds after
#: that the memory, and CPU seconds for a second of sound, the device's own thread among them.
_LIVE = """
import json, sys, time
from rtdenoise import Live
from rtdenoise.live.clock import SimulatedDevice
from benchmarks.scaling import resident_bytes
device = SimulatedDevice(48000)
with Live(device, device, model=sys.argv[1]) as live:
    while not live.stats.samples_out:
        time.sleep(0.002)
    heard, begun, cpu = time.time(), time.perf_counter(), time.process_time()
    live.wait(float(sys.argv[2]))
    load = (time.process_time() - cpu) / (time.perf_counter() - begun)
    print(json.dumps([heard, resident_bytes(), load]))
"""


def measure_cold_start(model: str, runs: int) -> dict[str, Any]:
    """Seconds of each part with and without numba's cache, of the command line, and until the first live sound."""
    warm = [_parts(model, {}) for _ in range(runs + 1)][1:]
    with tempfile.TemporaryDirectory(prefix="rtdenoise-benchmark-") as empty:
        first = _parts(model, {"NUMBA_CACHE_DIR": empty})
    lives = [_live(model) for _ in range(runs + 1)][1:]
    bare = _wall([sys.executable, "-c", "pass"], runs)
    return {
        "parts": {name: statistics.median(run[0][name] for run in warm) for name in warm[0][0]},
        "parts_first_time": first[0],
        "resident_mb": _megabytes(run[1] for run in warm),
        "seconds": {
            "import rtdenoise": _wall([sys.executable, "-c", "import rtdenoise"], runs) - bare,
            "rtdenoise --help": _wall([sys.executable, "-m", "rtdenoise", "--help"], runs) - bare,
            "first live sound": statistics.median(run[0] for run in lives),
        },
        "live_resident_mb": _megabytes(run[1] for run in lives),
        "live_cpu": statistics.median(run[2] for run in lives),
    }


def _run(code: str, environment: dict[str, str], *arguments: str) -> Any:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        command, env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    return json.loads(done.stdout)


def _parts(model: str, environment: dict[str, str]) -> tuple[dict[str, float], int | None]:
    """Seconds by part in their order, and bytes held."""
    last, seconds = time.time(), {}
    marks, held = _run(_PARTS, environment, model)
    for name, moment in marks:
        seconds[name], last = moment - last, moment
    return seconds, held


def _live(model: str) -> tuple[float, int | None, float]:
    """Seconds to the first sound, bytes held, CPU seconds per second."""
    begun = time.time()
    heard, held, load = _run(_LIVE, {}, model, f"{LIVE_SECONDS}")
    return heard - begun, held, load


def _wall(command: list[str], runs: int) -> float:
    """Median seconds of a command."""
    seconds = []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:])


def _megabytes(sizes: Any) -> float | None:
    known = [size / 1e6 for size in sizes if size is not None]
    return statistics.median(known) if known else None
