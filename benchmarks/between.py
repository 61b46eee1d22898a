"""A program between two devices, to be measured from outside: ``python -m benchmarks.between ours|pass-through ...``.

``ours`` is `rtdenoise.Live`. ``pass-through`` opens the same two streams and keeps the same reserve, but copies
samples only: what both have is the sound system's, what ours has beside that is what we add.

Prints what it states of itself as JSON when sound flows, and again after a line or the end of its standard input.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import numpy as np

from rtdenoise import Live
from rtdenoise.live.devices import find_device
from rtdenoise.live.latency import plan_latency
from rtdenoise.live.priority import promote_sound_client
from rtdenoise.live.realtime import quiet_interpreter
from rtdenoise.live.streams import DeviceStream

#: Over which the least that waits is looked for, as `Live` does.
_WINDOW_SECONDS = 0.2


class PassThrough:
    """Two streams and a ring. The least that waits in the ring is held at the reserve, once it is known."""

    def __init__(self, source: str, sink: str, rate: int, latency: str | float) -> None:
        self.rate, self.plan = rate, plan_latency(latency, rate)
        self.block = self.plan.block_length
        self.ring = np.zeros(4 * rate, np.float32)
        self.written = self.read = self.underruns = self.corrections = 0
        self.mean_level = 0.0
        self.levels: list[int] = []
        streams = [
            DeviceStream(find_device(name, kind), kind, rate, self.block, self.plan.driver_latency, callback)
            for name, kind, callback in ((source, "input", self.capture), (sink, "output", self.play))
        ]
        self.input, self.output = streams
        self.device_seconds = sum(stream.latency_seconds for stream in streams)
        self.reserve = self.plan.prefill_beside(self.device_seconds, rate)
        self.settled = False

    def capture(self, data: Any, frames: int, when: Any, status: Any) -> None:
        """The input's callback."""
        places = np.arange(self.written, self.written + frames) % len(self.ring)
        self.ring[places] = data.mean(axis=1)
        self.written += frames

    def play(self, data: Any, frames: int, when: Any, status: Any) -> None:
        """The output's callback."""
        data.fill(0)
        if not self.written:
            return
        self.levels.append(self.written - self.read - frames)
        if len(self.levels) * frames >= _WINDOW_SECONDS * self.rate:
            self.hold_reserve()
        if self.settled:
            there = min(frames, self.written - self.read)
            self.underruns += there < frames
            places = np.arange(self.read, self.read + max(0, there)) % len(self.ring)
            data[: len(places)] = self.ring[places, np.newaxis]
        self.read += frames

    def hold_reserve(self) -> None:
        """A driver starts in bursts: set the level window by window, and begin when it stood still for one."""
        shift = min(self.levels) - self.reserve
        still = abs(shift) <= self.block
        if not (self.settled and still):
            self.read += shift
            self.corrections += self.settled
        self.mean_level = float(np.mean(self.levels)) - (0 if self.settled and still else shift)
        self.settled = self.settled or still
        self.levels = []

    def report(self) -> dict[str, Any]:
        """The names that `Live.report` has."""
        return {
            "latency_ms": 1e3 * (self.device_seconds + self.mean_level / self.rate),
            "block_length": self.block,
            "underruns": self.underruns,
            "latency_corrections": self.corrections,
        }

    def __enter__(self) -> PassThrough:
        promote_sound_client()
        self.input.start()
        self.output.start()
        while not self.settled:
            time.sleep(0.05)
        return self

    def __exit__(self, *error: object) -> None:
        self.input.stop()
        self.output.stop()


def main() -> None:
    """Run from a command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.between", description=__doc__)
    parser.add_argument("program", choices=["ours", "pass-through"])
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--latency", required=True)
    parser.add_argument("--model", default="stream")
    parser.add_argument("--bypass", action="store_true", help="ours: do all the work, but give out the dry sound")
    given = parser.parse_args()
    if given.program == "ours":
        how = {"model": given.model, "latency": given.latency, "sample_rate": given.rate, "bypass": given.bypass}
        running: Any = Live(given.input, given.output, **how)
    else:
        running = PassThrough(given.input, given.output, given.rate, given.latency)
    with quiet_interpreter(), running:
        print(json.dumps(running.report()), flush=True)
        sys.stdin.readline()
        report = running.report()
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
