"""Level meters on a terminal, drawn by a process of their own: Python threads beside the audio threads cost deadlines.

The audio process writes a line of JSON now and then; whatever happens to the drawing, the sound goes on.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..stats import Stats

_FLOOR_DB, _WIDTH = -60.0, 40


class Meters:
    """Meters on standard error until the end of the ``with`` block.

    Args:
        seconds: how long it will take, if known.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Meters:
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE)
        return self

    def show(self, stats: Stats, latency_seconds: float) -> None:
        """Send what the stream counts to the screen; costs a few microseconds."""
        if self._process is None or self._process.stdin is None:
            return
        state = {
            "seconds": stats.samples_in / stats.sample_rate,
            "of": self._seconds,
            "before_db": stats.input_level.rms_db,
            "after_db": stats.output_level.rms_db,
            "load": stats.load.percentile(99),
            "underruns": stats.underruns,
            "latency_ms": latency_seconds * 1e3,
        }
        with contextlib.suppress(OSError, ValueError):  # it may have been closed
            self._process.stdin.write(json.dumps(state).encode() + b"\n")
            self._process.stdin.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()


def bar(level_db: float) -> str:
    """A level as blocks, full at 0 dB of full scale."""
    filled = round(max(0.0, min(1.0, 1 - level_db / _FLOOR_DB)) * _WIDTH)
    return "█" * filled + "░" * (_WIDTH - filled)


def lines_of(state: dict[str, Any]) -> list[str]:
    """What is on the screen."""
    of = f" of {state['of']:.1f}" if state["of"] else ""
    return [
        f"before  {bar(state['before_db'])} {state['before_db']:6.1f} dB",
        f"after   {bar(state['after_db'])} {state['after_db']:6.1f} dB",
        f"{state['seconds']:.1f}{of} s   latency {state['latency_ms']:.0f} ms   load {state['load']:.1%} (p99)   "
        f"underruns {state['underruns']}",
    ]


def draw(states: Iterable[bytes]) -> None:
    """Draw one state after another on standard error, and wipe them away at the end."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as screen:
        for line in states:
            before, after, rest = lines_of(json.loads(line))
            text = Text.assemble((before, "yellow"), "\n", (after, "green"), "\n", rest)
            screen.update(text, refresh=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the process that makes the sound
    draw(sys.stdin.buffer)
