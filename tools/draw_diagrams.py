"""Draw docs/assets/windows.svg, from the windows that the engine uses, and docs/assets/data-path.svg.

Inside a page the drawings take the page's colours, which change with its light switch; alone, those of the system.

python tools/draw_diagrams.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtdenoise.config import STREAM_TRANSFORM
from rtdenoise.stft import design_windows

TARGET = Path(__file__).parent.parent / "docs" / "assets"

STYLE = """<style>
.d-ink{--d-ink:var(--md-default-fg-color,#1f2933);--d-pale:var(--md-default-fg-color--lighter,#b8c2cc)}
.d-ink{--d-one:var(--one,#14998b);--d-two:#d9822b;--d-three:var(--three,#6b7cf0);font:13px system-ui,sans-serif}
@media (prefers-color-scheme:dark){
.d-ink{--d-ink:var(--md-default-fg-color,#e6edf3);--d-pale:var(--md-default-fg-color--lighter,#56616d)}}
.d-ink text{fill:var(--d-ink)}.d-ink .d-small{font-size:11.5px}.d-ink .d-strong{font-weight:600}
.d-ink .d-line{fill:none;stroke:var(--d-ink);stroke-width:1.4}
.d-ink .d-axis{fill:none;stroke:var(--d-pale);stroke-width:1}
.d-ink .d-curve{fill:none;stroke-width:2.4}.d-ink .d-wide{stroke-width:5}.d-ink .d-dash{stroke-dasharray:5 4}
.d-ink .d-box{fill:none;stroke:var(--d-ink);stroke-width:1.2}
.d-ink .d-zone{fill:var(--d-one);fill-opacity:.09;stroke:var(--d-one);stroke-opacity:.5}
.d-ink .d-a{stroke:var(--d-one)}.d-ink .d-b{stroke:var(--d-two)}.d-ink .d-c{stroke:var(--d-three)}
.d-ink text.d-a,.d-ink text.d-b,.d-ink text.d-c{stroke:none}
.d-ink text.d-a{fill:var(--d-one)}.d-ink text.d-b{fill:var(--d-two)}.d-ink text.d-c{fill:var(--d-three)}
</style>"""
ARROW = (
    '<defs><marker id="d-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="context-stroke"/></marker></defs>'
)

LEFT, WIDTH = 60, 640
Curve = NDArray[np.float64]


def svg(width: int, height: int, title: str, parts: Iterator[str]) -> str:
    """A drawing without empty lines, so that it may stand in Markdown's HTML."""
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" class="d-ink" viewBox="0 0 {width} {height}" role="img">'
    return "\n".join([opening, f"<title>{title}</title>", STYLE, ARROW, *parts, "</svg>", ""])


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "middle") -> str:
    """Words whose middle, start or end is at x."""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{words}</text>'


def arrow(path: str, kind: str = "d-line") -> str:
    """A path with a tip."""
    return f'<path class="{kind}" d="{path}" marker-end="url(#d-tip)"/>'


def curve(values: Curve, start_ms: float, top: float, height: float, span_ms: float, kind: str) -> str:
    """Samples of a window from ``start_ms`` on, full scale at 1, on an axis of ``span_ms`` that ends now."""
    rate = STREAM_TRANSFORM.sample_rate
    places = [start_ms + 1000 * (i + 0.5) / rate for i in range(len(values))]
    points = [
        f"{LEFT + WIDTH * (1 + place / span_ms):.1f},{top + height * (1 - value):.1f}"
        for place, value in zip(places, values, strict=True)
    ]
    return f'<polyline class="d-curve {kind}" points="{" ".join(points[::4] + points[-1:])}"/>'


def windows() -> Iterator[str]:
    """Above, what one hop sees and what it gives out; below, how three hops add up to one."""
    analysis, synthesis = design_windows(STREAM_TRANSFORM)
    hop, both = STREAM_TRANSFORM.hop_length, STREAM_TRANSFORM.synthesis_length
    product = analysis[-both:] * synthesis
    hop_ms = 1000 * STREAM_TRANSFORM.deadline_seconds
    long_ms = 1000 * STREAM_TRANSFORM.window_length / STREAM_TRANSFORM.sample_rate
    short_ms = 2 * hop_ms

    def x(ms: float) -> float:
        return LEFT + WIDTH * (1 + ms / long_ms)

    top, height = 66, 150
    yield f'<path class="d-zone" d="M{x(-short_ms):g} {top - 12}H{x(0):g}V{top + height}H{x(-short_ms):g}z"/>'
    yield f'<path class="d-axis" d="M{LEFT} {top}V{top + height}H{LEFT + WIDTH}"/>'
    yield curve(synthesis, -short_ms, top, height, long_ms, "d-b d-wide")
    yield curve(analysis, -long_ms, top, height, long_ms, "d-c")
    yield curve(product, -short_ms, top, height, long_ms, "d-a d-dash")
    yield text(LEFT, 24, "One hop: looks far back, gives out only the newest part", "d-strong", "start")
    yield text(x(-0.72 * long_ms), top + 38, f"analysis window, {long_ms:g} ms", "d-c", "end")
    yield text(x(-short_ms) - 8, top + height - 12, f"synthesis window, {short_ms:g} ms", "d-b", "end")
    yield text(x(-hop_ms), top + height - 10, "their product", "d-a")
    for level, words in ((0, "1"), (1, "0")):
        yield text(LEFT - 10, top + height * level + 4, words, "d-small", "end")
    for ms in np.arange(-long_ms, 1, hop_ms):
        yield f'<path class="d-axis" d="M{x(ms):g} {top + height}v5"/>'
        yield text(x(ms), top + height + 20, f"{ms:g} ms" if ms else "now", "d-small")

    top, height = 318, 96
    yield text(LEFT, 282, "Hop by hop: the products add up to exactly one", "d-strong", "start")
    yield f'<path class="d-axis" d="M{LEFT} {top + height}H{LEFT + WIDTH}"/>'
    total = np.zeros(hop * 4)
    for i, kind in enumerate(("d-c", "d-b", "d-a")):
        yield curve(product, -long_ms + i * hop_ms, top, height, long_ms, kind)
        total[i * hop : (i + 2) * hop] += product
    yield curve(total[hop : 3 * hop], -long_ms + hop_ms, top, height, long_ms, "d-line")
    yield text(x(-long_ms + 2 * hop_ms), top - 10, "sum", "d-small")
    y = top + height + 26
    middle = x(-long_ms + hop_ms)
    yield arrow(f"M{middle:g} {y}H{x(-long_ms):g}") + arrow(f"M{middle:g} {y}H{x(-short_ms):g}")
    yield text(middle, y + 20, f"{short_ms:g} ms from coming in to going out", "d-small")
    yield text(x(-hop_ms), y + 4, f"a new one every {hop_ms:g} ms", "d-small")


STEPS = (
    ("convert the rate", "where none fits"),
    ("collect a hop", "8 ms"),
    ("window, FFT", "32 ms"),
    ("model", "state goes on"),
    ("gain", "limit, bypass"),
    ("inverse FFT, window", "overlap and add"),
    ("convert back", "where converted"),
)


def data_path() -> Iterator[str]:
    """Where a sample goes between two devices."""
    yield '<rect class="d-zone" x="196" y="26" width="368" height="312" rx="10"/>'
    yield text(380, 48, "worker thread: the engine, one hop at a time", "d-strong")
    for x, device, way, ring in (
        (16, "microphone", "callback copies", "ring of input"),
        (604, "loudspeakers", "callback copies", "ring of output"),
    ):
        yield f'<rect class="d-box" x="{x}" y="70" width="140" height="46" rx="6"/>'
        yield text(x + 70, 98, device)
        yield f'<rect class="d-box" x="{x}" y="252" width="140" height="46" rx="6"/>'
        yield text(x + 70, 280, ring)
        yield arrow(f"M{x + 70} 116V252" if x < 300 else f"M{x + 70} 252V116")
        for line, word in enumerate(way.split()):
            yield text(x + 62, 182 + 15 * line, word, "d-small", "end")
    boxes = [(216, 252), (216, 180), (216, 70), (392, 70), (392, 130), (392, 190), (392, 252)]
    boxes[1:3] = [(216, 162), (216, 70)]
    for (first, second), (x, y) in zip(STEPS, boxes, strict=True):
        yield f'<rect class="d-box" x="{x}" y="{y}" width="152" height="46" rx="6"/>'
        yield text(x + 76, y + 20, first)
        yield text(x + 76, y + 37, second, "d-small")
    yield arrow("M156 275H216")
    yield arrow("M292 252V208")
    yield arrow("M292 162V116")
    yield arrow("M368 93H392")
    for y in (116, 176, 236):
        yield arrow(f"M468 {y}V{y + (14 if y < 236 else 16)}")
    yield arrow("M544 275H604")
    yield arrow("M368 185H380V322H674V298", "d-line d-dash")
    yield text(534, 316, "overload: dry, equally late", "d-small")
    yield text(86, 58, "devices", "d-strong")
    yield text(674, 58, "devices", "d-strong")


DRAWINGS = {
    "windows.svg": lambda: svg(
        720, 470, "Analysis and synthesis window of the model stream, and their overlap", windows()
    ),
    "data-path.svg": lambda: svg(760, 352, "From the microphone through the engine to the loudspeakers", data_path()),
}

if __name__ == "__main__":
    for name, draw in DRAWINGS.items():
        (TARGET / name).write_text(draw(), encoding="utf-8")
        print(TARGET / name)
