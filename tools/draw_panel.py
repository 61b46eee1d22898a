"""Draw docs/panel.svg: the panel itself, before half a minute of the demo that a simulated device plays.

Bars, dots and frames become shapes, so that they join whatever font shows the words.

python tools/draw_panel.py
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np
from rich.segment import Segment

from rtdenoise.commands.attend import fill
from rtdenoise.commands.demo import load_sample
from rtdenoise.commands.reporter import Reporter
from rtdenoise.live.clock import SimulatedDevice, SimulatedTime, run_together
from rtdenoise.live.session import Live
from rtdenoise.panel.app import PanelApp
from rtdenoise.panel.drawing import EIGHTHS
from rtdenoise.panel.readings import Readings

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "panel.svg"
COLUMNS, LINES, SECONDS = 92, 28, 38
WIDTH, HEIGHT = 10.0, 22.0  # of a cell
PAPER, MARGIN = "#10151b", 10
#: Where the load comes from: the time of simulated devices passes without any.
HOP_TIME = ROOT / "benchmarks" / "results" / "hop_time.json"
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

#: Frames: lines from the middle of a cell, and its rounded corners.
FRAMES = {
    "─": "M{x0} {y}H{x1}",
    "│": "M{x} {y0}V{y1}",
    "╭": "M{x} {y1}V{yb}Q{x} {y} {xb} {y}H{x1}",
    "╮": "M{x} {y1}V{yb}Q{x} {y} {xa} {y}H{x0}",
    "╰": "M{x} {y0}V{ya}Q{x} {y} {xb} {y}H{x1}",
    "╯": "M{x} {y0}V{ya}Q{x} {y} {xa} {y}H{x0}",
}


def load_p99() -> float:
    """Of hops at 16 kHz, paced and with priority as live, by the committed results."""
    rows = json.loads(HOP_TIME.read_text(encoding="utf-8"))["rows"]
    (row,) = (r for r in rows if (r["model"], r["rate"], r["pace"]) == ("stream", 16000, "paced, priority"))
    return row["us"]["p99"] / row["deadline_us"]


def listen(seconds: float) -> list[Readings]:
    """Play the demo to two simulated devices and take readings ten times a second, as a live run does."""
    sample, clock, reporter = load_sample(), SimulatedTime(), Reporter()
    noisy = np.tile(sample.noisy, 4)
    ends = [SimulatedDevice(sample.sample_rate, signal, paced=False, time=clock) for signal in (noisy, None)]
    for device, name in zip(ends, ("Built-in microphone", "Denoised microphone"), strict=True):
        device.name = name
    taken, load = [], load_p99()
    with Live(*ends) as live:
        reporter.hold()
        reporter.say(f"rtdenoise: {live.start_line()}")
        reporter.say("rtdenoise: choose 'Denoised microphone' as the microphone in the call program")
        for _ in range(round(10 * seconds)):
            run_together(0.1, *ends)
            readings = Readings()
            fill(readings, live, reporter)
            readings.load = load
            taken.append(readings)
    return taken


async def draw(taken: list[Readings]) -> list[list[Segment]]:
    """The screen after all of them, line by line."""
    app = PanelApp(lambda: None, lambda key: True)
    for i, readings in enumerate(taken):
        app.state.update(readings, i / 10)
    async with app.run_test(size=(COLUMNS, LINES)) as pilot:
        await pilot.pause()
        return [list(strip) for strip in app.screen._compositor.render_strips()]


def shapes(line: list[Segment], top: float) -> Iterator[str]:
    """A line of the screen as elements of SVG."""
    left = 0.0
    for text, style, _ in line:
        ink = style.color.get_truecolor().hex if style and style.color else PAPER
        paper = style.bgcolor.get_truecolor().hex if style and style.bgcolor else PAPER
        width = len(text) * WIDTH
        if paper != PAPER:
            yield f'<path fill="{paper}" d="M{left:g} {top:g}h{width:g}v{HEIGHT:g}h-{width:g}z"/>'
        written = "".join(" " if is_shape(c) else c for c in text)
        for words in re.finditer(r"\S+( \S+)*", written):
            weight = ' font-weight="bold"' if style and style.bold else ""
            yield (
                f'<text x="{left + words.start() * WIDTH:g}" y="{top + 0.72 * HEIGHT:g}" fill="{ink}"{weight} '
                f'textLength="{len(words[0]) * WIDTH:g}" lengthAdjust="spacingAndGlyphs">{escape(words[0])}</text>'
            )
        bars, dots, frames = "", "", ""
        for i, c in enumerate(text):
            x = left + i * WIDTH
            if c in EIGHTHS[1:]:
                bars += f"M{x:g} {top:g}h{EIGHTHS.index(c) * WIDTH / 8 + 0.3:g}v{HEIGHT:g}H{x:g}z"
            elif 0x2800 < ord(c) < 0x2900:
                dots += braille(ord(c), x, top)
            elif c in FRAMES:
                frames += frame(c, x, top)
        if bars:
            yield f'<path fill="{ink}" d="{bars}"/>'
        if dots:
            yield f'<path class="dots" stroke="{ink}" d="{dots}"/>'
        if frames:
            yield f'<path class="frame" stroke="{ink}" d="{frames}"/>'
        left += width


def is_shape(c: str) -> bool:
    """Whether a character is drawn instead of written."""
    return (c in EIGHTHS or c in FRAMES or 0x2800 <= ord(c) < 0x2900) and c != " "


def braille(code: int, x: float, top: float) -> str:
    """The dots of a cell whose columns are filled from below, as lines that the style breaks into dots."""
    path = ""
    for column, bits in ((0, (0x40, 0x04, 0x02, 0x01)), (1, (0x80, 0x20, 0x10, 0x08))):
        count = sum(bool(code - 0x2800 & bit) for bit in bits)
        if count:
            path += (
                f"M{x + (column + 0.5) * WIDTH / 2:g} {top + 3.5 * HEIGHT / 4:g}v-{(count - 1) * HEIGHT / 4 + 0.01:g}"
            )
    return path


def frame(c: str, x: float, top: float) -> str:
    """A piece of a frame."""
    middle, centre, radius = x + WIDTH / 2, top + HEIGHT / 2, WIDTH / 2
    places = {"x": middle, "x0": x, "x1": x + WIDTH, "xa": middle - radius, "xb": middle + radius}
    places |= {"y": centre, "y0": top, "y1": top + HEIGHT, "ya": centre - radius, "yb": centre + radius}
    return FRAMES[c].format(**{name: f"{value:g}" for name, value in places.items()})


def page(lines: list[list[Segment]]) -> str:
    """The picture."""
    width, height = COLUMNS * WIDTH + 2 * MARGIN, LINES * HEIGHT + 2 * MARGIN
    body = "\n".join(element for i, line in enumerate(lines) for element in shapes(line, i * HEIGHT))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">
<title>The panel of rtdenoise: levels in and out, reduction, load, latency, drift, underruns, messages and keys</title>
<style>
text {{ font: 16.4px {FONT} }}
path.frame {{ fill: none; stroke-width: 1.2 }}
path.dots {{ fill: none; stroke-width: 3.2; stroke-linecap: round; stroke-dasharray: 0 {HEIGHT / 4:g} }}
</style>
<rect width="{width:g}" height="{height:g}" rx="12" fill="{PAPER}"/>
<g transform="translate({MARGIN} {MARGIN})">
{body}
</g>
</svg>
"""


if __name__ == "__main__":
    TARGET.write_text(page(asyncio.run(draw(listen(SECONDS)))), encoding="utf-8")
    print(TARGET)
