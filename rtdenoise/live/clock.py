"""A sound card that is only a clock: it calls the very callbacks that a driver would, at the same pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .realtime import CALLBACK_PRIORITY, promote_thread

Float32 = NDArray[np.float32]
Callback = Callable[[Float32, int, Any, Any], None]

#: Blocks by which the clock may run late before it gives samples up, as a card's buffer does.
_PATIENCE_BLOCKS = 8


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

    Attributes:
        heard: what the loudspeakers played, (n, output_channels) float32, on the time axis of ``signal``: both begin
            with the first sample that the microphone takes.
        work: called by `step` between the two callbacks until it returns False.
    """

    name = "simulated device"

    def __init__(
        self, sample_rate: int, signal: ArrayLike | None = None, *, output_channels: int = 1, paced: bool = True
    ) -> None:
        self.sample_rate, self.output_channels, self.paced = sample_rate, output_channels, paced
        samples = np.zeros(0) if signal is None else np.asarray(signal)
        self._signal: Float32 = np.atleast_2d(samples.T).T.astype(np.float32)
        self.work: Callable[[], bool] = lambda: False
        self._position = 0
        self._played: list[Float32] = []
        self._capture: Callback | None = None
        self._play: Callback | None = None
        self._thread: threading.Thread | None = None
        self._running = False
        self.block_length = 0

    def open_input(self, callback: Callback, block_length: int) -> SimulatedStream:
        """Call ``callback(indata, frames, time, status)`` for every block from the stream's start on."""
        self._capture, self.block_length = callback, block_length
        return SimulatedStream(self, block_length / self.sample_rate)

    def open_output(self, callback: Callback, block_length: int) -> SimulatedStream:
        """Call ``callback(outdata, frames, time, status)`` for every block from the stream's start on."""
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
            block = np.zeros((self.block_length, self._signal.shape[1]), np.float32)
            heard = self._signal[self._position : self._position + self.block_length]
            block[: len(heard)] = heard
            self._position += self.block_length
            if capture and self._capture is not None:
                self._capture(block, self.block_length, None, flags)
            while work and self.work():
                pass
            played = np.zeros((self.block_length, self.output_channels), np.float32)
            if play and self._play is not None:
                self._play(played, self.block_length, None, flags)
            if self._play is not None:
                self._played.append(played)

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


class SimulatedStream:
    """One direction of a simulated device, with the surface of `streams.DeviceStream`."""

    active = True

    def __init__(self, device: SimulatedDevice, latency_seconds: float) -> None:
        self.latency_seconds = latency_seconds
        self._device = device

    def start(self) -> None:
        """Start the device's clock."""
        self._device.start()

    def stop(self) -> None:
        """Stop the device's clock."""
        self._device.stop()
