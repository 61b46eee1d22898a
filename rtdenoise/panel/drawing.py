"""Bars and curves out of characters: levels in eighths of a cell, history in dots of braille, colours by height."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from rich.text import Text

FLOOR_DB = -60.0  # of the levels
_TOP_STEP_DB, _LOWEST_TOP_DB = 6, 12  # of the reduction's scale

TRACK = "#1c2530"
EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVEL_COLOURS = [(0.0, "#1f7a8c"), (0.45, "#2ec4a0"), (0.75, "#a3d95b"), (0.88, "#f2c14e"), (1.0, "#ef5350")]
_CURVE_COLOURS = [(0.0, "#24506b"), (0.5, "#3fa7d6"), (1.0, "#b8a1ff")]
_COLOURS = 24  # as many different ones: neighbours of one colour are drawn in one go

#: Dots of a braille cell from the bottom up, in its left and right half.
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))


def blend(stops: Sequence[tuple[float, str]], place: float) -> str:
    """The colour at a place from 0 to 1 of a gradient, in one of a few steps."""
    place = round(min(1.0, max(0.0, place)) * _COLOURS) / _COLOURS
    for (begin, first), (end, second) in pairwise(stops):
        if place <= end:
            share = (place - begin) / (end - begin)
            pairs = ((int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5))
            return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)
    return stops[-1][1]


def share_of_scale(level_db: float) -> float:
    """A level's place from 0 to 1 between `FLOOR_DB` and full scale."""
    return min(1.0, max(0.0, 1 - level_db / FLOOR_DB))


def bar(level_db: float, peak_db: float, width: int) -> Text:
    """A level as a bar of ``width`` cells, full at 0 dB, with a mark at the peak."""
    whole, eighths = divmod(round(8 * share_of_scale(level_db) * width), 8)
    cells = list(("█" * whole + EIGHTHS[eighths]).ljust(width)[:width])
    mark = min(width - 1, math.floor(share_of_scale(peak_db) * width))
    if peak_db > FLOOR_DB and mark >= whole:
        cells[mark] = "▎"
    colours = [blend(_LEVEL_COLOURS, i / max(1, width - 1)) for i in range(width)]
    text = Text(no_wrap=True)
    for colour, run in groupby(range(width), lambda i: colours[i] if cells[i] != " " else TRACK):
        text.append("".join(cells[i] for i in run), f"{colour} on {TRACK}")
    return text


def scale(width: int) -> Text:
    """Ticks for a `bar`, every 12 dB where there is room."""
    step = 12 if width >= 40 else 20
    line = [" "] * width
    for level in range(int(FLOOR_DB), 1, step):
        label = f"{level}"
        place = round(share_of_scale(level) * (width - 1))
        begin = min(width - len(label), max(0, place - len(label) // 2))
        line[begin : begin + len(label)] = label
    return Text("".join(line), "#5c6b7a", no_wrap=True)


def top_of(values: Iterable[float]) -> int:
    """The end of a scale from 0 that has room for values in dB."""
    highest = max((value for value in values if not math.isnan(value)), default=0.0)
    return max(_LOWEST_TOP_DB, _TOP_STEP_DB * math.ceil(highest / _TOP_STEP_DB))


def curve(values: Sequence[float], width: int, height: int) -> list[Text]:
    """Up to ``2 * width`` values in dB as a filled curve of ``height`` lines, the newest on the right; NaN is a gap."""
    top = top_of(values)
    values = [math.nan] * (2 * width - len(values)) + list(values)
    dots = 4 * height
    # A trace of it stays where there is nothing to take away: a dotted ground line.
    tops = [0 if math.isnan(value) else max(1, round(value / top * dots)) for value in values]
    lines = []
    for row in reversed(range(height)):
        cells = []
        for left in range(0, 2 * width, 2):
            cell = 0
            for half in (0, 1):
                for dot in range(4):
                    if tops[left + half] > 4 * row + dot:
                        cell |= _DOTS[half][dot]
            cells.append(chr(0x2800 + cell) if cell else " ")
        lines.append(Text("".join(cells), blend(_CURVE_COLOURS, (row + 0.5) / height), no_wrap=True))
    return lines


def clock(seconds: float) -> str:
    """Hours, minutes, seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
