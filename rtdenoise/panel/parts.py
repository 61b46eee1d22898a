"""What is on the screen, part by part: each a function of the state and of the cells that it has."""

from __future__ import annotations

import math
import textwrap
from collections import deque

from rich.text import Text

from .drawing import TRACK, bar, clock, curve, scale
from .readings import Readings

INK, FAINT, ACCENT, GOOD, CARE, ALARM = "#d7dee6", "#6b7a89", "#2ec4a0", "#7bd88f", "#f2c14e", "#ef5350"

_POINT_SECONDS = 0.2  # of the history
_MEAN_POINTS = 5  # for the number beside it
_QUIET = 1e-8  # power; an input below it has no noise to take away
_LEAST = 1e-6  # of the power: nobody hears what is beyond 60 dB
_FROZEN_SECONDS = 0.6  # without new samples: no device, or one that is waited for
_LABEL, _NUMBER = 5, 9  # cells beside a bar


class State:
    """The latest readings and what came before.

    Attributes:
        readings: the latest.
        frozen: whether no sound comes in.
        reductions: how much was taken away, in dB, a value each 0.2 s; NaN while nothing could be told.
    """

    def __init__(self, readings: Readings) -> None:
        self.readings, self.frozen = readings, False
        self.reductions: deque[float] = deque(maxlen=1000)
        self._differences = deque([0.0], maxlen=2)
        self._moved = self._next_point = -math.inf

    def update(self, readings: Readings, now: float) -> None:
        """Take in readings at a time in seconds."""
        before, self.readings = self.readings, readings
        if readings.seconds != before.seconds or self._moved == -math.inf:
            self._moved = now
        self.frozen = now - self._moved > _FROZEN_SECONDS
        self._differences.append(_difference_db(before, readings))
        if now >= self._next_point:
            self._next_point = max(self._next_point + _POINT_SECONDS, now + _POINT_SECONDS / 2)
            # The output is some ms behind, so where sound begins all of it seems to be taken away: once, not twice.
            reduction_db = max(0.0, min(self._differences))
            self.reductions.append(math.nan if self.frozen or readings.muted else reduction_db)

    @property
    def reduction_db(self) -> float:
        """Mean of the last second, in dB; NaN where nothing can be told."""
        last = [value for value in list(self.reductions)[-_MEAN_POINTS:] if not math.isnan(value)]
        return sum(last) / len(last) if last else math.nan

    def last_reductions(self, width: int) -> list[float]:
        """As many as ``width`` cells can show."""
        return list(self.reductions)[-2 * width :]


def _difference_db(before: Readings, now: Readings) -> float:
    """By how much the output was softer than the input between two readings, in dB."""
    entered, left = now.input_energy - before.input_energy, now.output_energy - before.output_energy
    if entered <= 0 or entered <= _QUIET * now.sample_rate * (now.seconds - before.seconds):
        return 0.0
    return 10 * math.log10(entered / max(left, entered * _LEAST))


def title(state: State, width: int, height: int) -> Text:
    """Name, ends, rate, model, time."""
    now = state.readings
    left = Text.assemble(("rtdenoise", f"bold {ACCENT}"), "  ")
    left.append(f"{now.source.decode()} → {now.sink.decode()}", INK)
    facts = [clock(now.seconds), now.model.decode(), f"{now.sample_rate / 1e3:g} kHz"]
    while facts and len(left) + len(right := "  ".join(reversed(facts))) + 2 > width and len(facts) > 1:
        facts.pop()
    right = "  ".join(reversed(facts))
    left.truncate(max(0, width - len(right) - 2), overflow="ellipsis", pad=True)
    return left.append(f"  {right}", FAINT)


def levels(state: State, width: int, height: int) -> Text:
    """Input over output; from three lines on with a scale between them."""
    now, cells = state.readings, max(4, width - _LABEL - _NUMBER)

    def line(label: str, rms_db: float, peak_db: float, *, on: bool) -> Text:
        number = f"{rms_db:.1f} dB" if on else "silent"
        filled = bar(rms_db, peak_db, cells) if on else bar(-math.inf, -math.inf, cells)
        return Text.assemble((f"{label:<{_LABEL}}", FAINT), filled, (f"{number:>{_NUMBER}}", INK if on else FAINT))

    lines = [
        line("in", now.input_rms_db, now.input_peak_db, on=not state.frozen),
        line("out", now.output_rms_db, now.output_peak_db, on=not (state.frozen or now.muted)),
    ]
    if height >= 3:
        lines.insert(1, Text(" " * _LABEL) + scale(cells))
    return Text("\n").join(lines)


def reduction(state: State) -> str:
    """The latest end of the history in words."""
    now = state.readings
    if state.frozen:
        return "no sound"
    if now.muted or math.isnan(state.reduction_db):
        return "muted"
    return "bypassed" if now.bypass else f"{state.reduction_db:.1f} dB"


def history(state: State, width: int, height: int) -> Text:
    """The reduction of the last half minute; on a single line with its number."""
    if height > 1:
        return Text("\n").join(curve(state.last_reductions(width), width, height))
    cells = max(2, width - _LABEL - _NUMBER)
    (line,) = curve(state.last_reductions(cells), cells, 1)
    return Text.assemble(("less ", FAINT), line, (f"{reduction(state):>{_NUMBER}}", INK))


def numbers(state: State, width: int, height: int) -> Text:
    """Load, latency, drift, underruns, overload: names over values, or values on one line."""
    now = state.readings
    load = GOOD if now.load < 0.5 else CARE if now.load < 1 else ALARM
    figures = [
        ("load p99", f"{now.load:.1%}".replace("%", " %"), load),
        ("latency", f"{now.latency_ms:.0f} ms", INK),
        ("drift", f"{now.drift_ppm:+.0f} ppm", INK),
        ("underruns", f"{now.underruns}", CARE if now.underruns else GOOD),
        ("overload", f"{now.overload_seconds:.1f} s", CARE if now.overload_seconds else GOOD),
    ]
    if height < 2:
        short = [(f"{value} {name}" if name == "underruns" else value, colour) for name, value, colour in figures[:4]]
        return Text("  ").join(Text(value, colour) for value, colour in short)
    column = width // len(figures)
    names = [(f"{name:<{column}}"[:column], FAINT) for name, _, _ in figures]
    values = [(f"{value:<{column}}"[:column], f"bold {colour}") for _, value, colour in figures]
    return Text("\n").join([Text.assemble(*names), Text.assemble(*values)])


def messages(state: State, width: int, height: int) -> Text:
    """What was said last: the end of it, or where there are only few lines the beginnings of the last ones."""
    now = state.readings
    lines: list[Text] = []
    for message in now.messages[: min(now.message_count, len(now.messages))]:
        time, _, text = message.value.decode(errors="replace").partition(" ")
        cells = max(8, width - len(time) - 1)
        parts = textwrap.wrap(text, cells) if height > 2 else [text[: cells - 1] + "…" if len(text) > cells else text]
        for i, part in enumerate(parts):
            lines.append(Text.assemble((f"{'' if i else time:<{len(time)}} ", FAINT), (part, INK)))
    return Text("\n").join(lines[-height:])


def keys(state: State, width: int, height: int) -> Text:
    """The keys, and what they have switched on."""
    now = state.readings
    limit = "no limit" if math.isnan(now.attenuation_limit_db) else f"limit {now.attenuation_limit_db:g} dB"
    if width < 60:
        limit = limit.replace("no limit", "∞ dB").removeprefix("limit ")
    shown = [
        ("b", "bypass", now.bypass, CARE),
        ("- +" if width >= 60 else "-+", limit, False, INK),
        ("m", "mute", now.muted, ALARM),
        ("r", "● rec" if now.recording else "rec", now.recording, ALARM),
        ("q", "quit", False, INK),
    ]
    wide = width >= 60
    parts = []
    for key, label, on, colour in shown:
        style = f"bold #10151b on {colour}" if on else INK
        if wide:
            parts.append(Text.assemble((f" {key} ", f"bold {ACCENT} on {TRACK}"), (f" {label} ", style)))
        else:
            parts.append(Text.assemble((key, f"bold {ACCENT}"), " ", (label, style)))
    return Text("  " if wide else " ").join(parts)
