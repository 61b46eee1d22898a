"""A live run with somebody before it: what it counts goes to the panel, what is pressed there is done."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from ..live.session import Live
from ..panel.process import Panel
from ..panel.readings import MESSAGE_BYTES, MESSAGES, NAME_BYTES, Key, Readings, Wish, packed
from ..panel.terminal import can_draw
from .reporter import Reporter

_POLL_SECONDS = 0.1
_STEP_DB, _HIGHEST_LIMIT_DB = 3.0, 30.0  # beyond there is no limit


class Watcher(Protocol):
    """Somebody before a live run: the `Panel` on a terminal, or what steers it from elsewhere."""

    readings: Readings

    @property
    def alive(self) -> bool:
        """Whether there is anybody."""
        ...

    def show(self) -> None:
        """Publish `readings`."""
        ...

    def pressed(self) -> Sequence[Key | Wish]:
        """What was asked for since the last call; never waits."""
        ...

    def close(self) -> None:
        """End it."""
        ...


@contextlib.contextmanager
def panel_for(reporter: Reporter, *, wanted: bool = True) -> Iterator[Panel | None]:
    """The panel if there is a terminal for it; lines for people that it showed are printed after it."""
    if not (wanted and reporter.on_terminal and can_draw()):
        yield None
        return
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(reporter.release)
        yield cleanup.enter_context(Panel())


def attend(live: Live, panel: Watcher | None, reporter: Reporter, seconds: float | None) -> bool:
    """Wait as `Live.wait` does, and look after the panel meanwhile.

    Args:
        live: started.
        panel: ``None`` where there is none.
        reporter: what it has said so far is shown, too.
        seconds: of waiting; ``None`` for ever.

    Returns:
        Whether somebody pressed ``q``.

    Raises:
        KeyboardInterrupt: Ctrl+C was pressed, and the terminal made no signal of it.
        Whatever `Live.wait` raises.
    """
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    while panel is not None and panel.alive:
        fill(panel.readings, live, reporter)
        panel.show()
        reporter.hold()
        if live.wait(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic()))) or time.monotonic() >= deadline:
            return False
        for key in panel.pressed():
            if key == Key.QUIT:
                return True
            press(key, live, reporter)
    if panel is not None:
        panel.close()
        reporter.release()
        reporter.say("rtdenoise: the panel has ended; the sound goes on without it, Ctrl+C ends it")
    live.wait(None if seconds is None else max(0.0, deadline - time.monotonic()))
    return False


def press(key: Key | Wish, live: Live, reporter: Reporter) -> None:
    """Do what a key of the panel means, or fulfil a wish.

    Raises:
        KeyboardInterrupt: that was the key.
    """
    if isinstance(key, Wish):
        if key.name != "recording":
            setattr(live, key.name, key.value)
            return
        if key.value == live.recording:
            return
        key = Key.RECORD
    if key == Key.INTERRUPT:
        raise KeyboardInterrupt
    if key == Key.BYPASS:
        live.bypass = not live.bypass
    elif key == Key.MUTE:
        live.muted = not live.muted
    elif key == Key.RECORD:
        message = live.toggle_recording()
        if message is not None:
            reporter.say(f"rtdenoise: {message}")
    elif key in (Key.LESS, Key.MORE):
        live.attenuation_limit_db = next_limit(live.attenuation_limit_db, up=key == Key.MORE)


def next_limit(limit_db: float | None, *, up: bool) -> float | None:
    """The attenuation limit a step further; beyond the highest comes none."""
    if limit_db is None:
        return None if up else _HIGHEST_LIMIT_DB
    if up:
        return limit_db + _STEP_DB if limit_db + _STEP_DB <= _HIGHEST_LIMIT_DB else None
    return max(0.0, limit_db - _STEP_DB)


def fill(readings: Readings, live: Live, reporter: Reporter) -> None:
    """Take down how things stand."""
    stats, model = live.stats, live.denoiser.model
    source, sink = live.ends
    readings.source, readings.sink = packed(source, NAME_BYTES), packed(sink, NAME_BYTES)
    readings.model = packed(f"{model.name} {model.version}", NAME_BYTES)
    readings.sample_rate, readings.sink_rate = stats.sample_rate, stats.output_rate
    readings.seconds = stats.samples_in / stats.sample_rate
    readings.input_rms_db, readings.input_peak_db = stats.input_level.rms_db, stats.input_level.peak_db
    readings.output_rms_db, readings.output_peak_db = stats.output_level.rms_db, stats.output_level.peak_db
    readings.input_energy, readings.output_energy = stats.input_level.energy, stats.output_level.energy
    readings.load = stats.load.percentile(99)
    readings.latency_ms = live.latency_seconds * 1e3
    readings.drift_ppm = stats.drift_ppm
    readings.overload_seconds = stats.overload_seconds
    readings.underruns = stats.underruns
    limit_db = live.attenuation_limit_db
    readings.attenuation_limit_db = math.nan if limit_db is None else limit_db
    readings.bypass, readings.muted = live.bypass, live.muted
    readings.recording = live.recording
    if readings.message_count != reporter.count:
        readings.message_count = reporter.count
        for place, (clock, text) in zip(readings.messages, list(reporter.said)[-MESSAGES:], strict=False):
            place.value = packed(f"{clock} {text.removeprefix('rtdenoise: ')}", MESSAGE_BYTES)
