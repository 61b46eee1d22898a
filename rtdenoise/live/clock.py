"""A sound card that is only a clock: it calls the very callbacks that a driver would, at the same pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DeviceError
from .priority import CALLBACK_PRIORITY, promote_thread

Float32 = NDArray[np.float32]
Callback = Callable[[Float32, int, Any, Any], None]

#: Blocks by which the clock may run late before it gives samples up, as a card's buffer does.
_PATIENCE_BLOCKS = 8


class SimulatedTime:
    """A time that passes when devices step, and in which computing takes as long as it is said to.

    Attributes:
        now: seconds.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._busy_until = 0.0

    def __call__(self) -> float:
        """The time as the worker sees it."""
        return max(self.now, self._busy_until)

    def spend(self, seconds: float) -> None:
        """Let the worker be busy for so long; callbacks go on meanwhile."""
        self._busy_until = self() + seconds

    @property
    def is_busy(self) -> bool:
        """Whether the worker still computes."""
        return self._busy_until > self.now


@dataclass(frozen=True)
class Flags:
    """What a driver says about a block."""

    input_overflow: bool = False
    output_underflow: bool = False

    def __bool__(self) -> bool:
        return self.input_overflow or self.output_underflow


class SimulatedDevice:
    """A microphone that hears a given signal, and loudspeakers that remember what they played.

    Args:
        sample_rate: in Hz.
        signal: (n,) or (n, channels) floats for the microphone; silence follows.
        output_channels: of the loudspeakers.
        paced: run in real time from a thread. Otherwise nothing moves until `step` is called, and the worker of the
            stream runs inside it: for tests that come out the same each time.
        drift_ppm: by how many millionths its clock is fast.
        time: shared by devices that `run_together`; by default one of its own.

    Attributes:
        heard: what the loudspeakers played, (n, output_channels) float32, on the time axis of ``signal``: both begin
            with the first sample that the microphone takes.
        present: False while it is unplugged.
        blocks: up to now.
        work: called by `step` between the two callbacks until it returns False.
    """

    name = "simulated device"

    def __init__(
        self,
        sample_rate: int,
        signal: ArrayLike | None = None,
        *,
        output_channels: int = 1,
        paced: bool = True,
        drift_ppm: float = 0.0,
        time: SimulatedTime | None = None,
    ) -> None:
        self.sample_rate, self.output_channels, self.paced = sample_rate, output_channels, paced
        samples = np.zeros(0) if signal is None else np.asarray(signal)
        self._signal: Float32 = np.atleast_2d(samples.T).T.astype(np.float32)
        self.work: Callable[[], bool] = lambda: False
        self.time = SimulatedTime() if time is None else time
        self._rate = sample_rate * (1.0 + drift_ppm * 1e-6)
        self._due = self.time.now
        self.present, self.blocks = True, 0
        self._position = 0
        self._played: list[Float32] = []
        self._capture: Callback | None = None
        self._play: Callback | None = None
        self._thread: threading.Thread | None = None
        self._running = False
        self.block_length = 0

    def open_input(self, callback: Callback, block_length: int) -> SimulatedStream:
        """Call ``callback(indata, frames, time, status)`` for every block from the stream's start on."""
        self._check_present()
        self._capture, self.block_length = callback, block_length
        return SimulatedStream(self, block_length / self.sample_rate)

    def open_output(self, callback: Callback, block_length: int) -> SimulatedStream:
        """Call ``callback(outdata, frames, time, status)`` for every block from the stream's start on."""
        self._check_present()
        self._play, self.block_length = callback, block_length
        self._played = [np.zeros((2 * block_length, self.output_channels), np.float32)]
        return SimulatedStream(self, block_length / self.sample_rate)

    @property
    def heard(self) -> Float32:
        """See the class."""
        return np.concatenate(self._played or [np.zeros((0, self.output_channels), np.float32)])

    def step(
        self, blocks: int = 1, *, capture: bool = True, work: bool = True, play: bool = True, flags: Flags | None = None
    ) -> None:
        """Let the time of some blocks pass; what is False does not happen meanwhile, as when it is stuck."""
        flags = flags or Flags()
        for _ in range(blocks):
            self.blocks += 1
            self._due += self.block_length / self._rate
            self.time.now = max(self.time.now, self._due)
            block = np.zeros((self.block_length, self._signal.shape[1]), np.float32)
            heard = self._signal[self._position : self._position + self.block_length]
            block[: len(heard)] = heard
            self._position += self.block_length
            if capture and self._capture is not None:
                self._capture(block, self.block_length, None, flags)
            while work and not self.time.is_busy and self.work():
                pass
            played = np.zeros((self.block_length, self.output_channels), np.float32)
            if play and self._play is not None:
                self._play(played, self.block_length, None, flags)
            if self._play is not None:
                self._played.append(played)

    @property
    def next_due(self) -> float:
        """When its next block is over."""
        return self._due + self.block_length / self._rate

    def start(self) -> None:
        """Start the clock, if it runs by itself and does not run yet."""
        if self.paced and not self._running:
            self._running = True
            self._thread = threading.Thread(target=self._run, name="simulated clock", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop the clock and forget the callbacks."""
        self._running = False
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._capture = self._play = None

    def _check_present(self) -> None:
        if not self.present:
            raise DeviceError(f"{self.name} is unplugged; plug it in")

    def _run(self) -> None:
        promote_thread(CALLBACK_PRIORITY)
        block_seconds = self.block_length / self.sample_rate
        deadline = time.perf_counter() + block_seconds
        while self._running:
            time.sleep(max(0.0, deadline - time.perf_counter()))
            late_blocks = int((time.perf_counter() - deadline) / block_seconds)
            if late_blocks > _PATIENCE_BLOCKS:  # the process was stopped: what came meanwhile is lost
                self.step(late_blocks, capture=False, play=False)
                deadline += late_blocks * block_seconds
                self.step(flags=Flags(input_overflow=True, output_underflow=True))
            else:
                self.step()
            deadline += block_seconds


def run_together(seconds: float, *devices: SimulatedDevice) -> None:
    """Let the time of devices that share it pass, each by its own clock."""
    end = devices[0].time.now + seconds
    while True:
        device = min(devices, key=lambda device: device.next_due)
        if device.next_due > end:
            return
        device.step()


class SimulatedStream:
    """One direction of a simulated device, with the surface of `streams.DeviceStream`."""

    slow_thread = None  # there is no driver's thread

    def __init__(self, device: SimulatedDevice, latency_seconds: float) -> None:
        self.latency_seconds = latency_seconds
        self._device = device

    @property
    def active(self) -> bool:
        """Whether the device is there."""
        return self._device.present

    @property
    def calls(self) -> int:
        """Blocks up to now."""
        return self._device.blocks

    def start(self) -> None:
        """Start the device's clock."""
        self._device.start()

    def stop(self) -> None:
        """Stop the device's clock."""
        self._device.stop()
