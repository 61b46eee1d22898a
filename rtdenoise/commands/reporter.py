"""What people read: lines on standard error, as many as they asked for."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque


class Reporter:
    """Speaks on standard error, never on standard output, which belongs to audio and data.

    Attributes:
        verbosity: -1 errors only, 0 the usual, 1 more, 2 tracebacks too.
        help: the command that tells what can be said.
        said: the last lines, each with the time of day when it was said.
        count: of lines up to now.
    """

    def __init__(self, verbosity: int = 0) -> None:
        self.verbosity = verbosity
        self.help = "rtdenoise --help"
        self.said: deque[tuple[str, str]] = deque(maxlen=100)
        self.count = 0
        self._held: deque[str] | None = None

    def say(self, text: str) -> None:
        """What everybody should see."""
        if self.verbosity >= 0:
            self._say(text)

    def detail(self, text: str) -> None:
        """What somebody who looks closer wants to see."""
        if self.verbosity >= 1:
            self._say(text)

    def error(self, text: str, error: BaseException) -> None:
        """One line, a second one where the error has advice, and the traceback for those who asked twice."""
        if self.verbosity >= 2:
            import traceback

            self._print("".join(traceback.format_exception(error)).rstrip())
        self._print(f"rtdenoise: {' '.join(text.split())}")
        if hasattr(error, "advice"):
            self._print(f"rtdenoise: {error.advice}")

    @property
    def on_terminal(self) -> bool:
        """Whether bars and meters have somewhere to be drawn, and are wanted."""
        return self.verbosity >= 0 and sys.stderr is not None and sys.stderr.isatty()

    def hold(self) -> None:
        """Keep lines, the last hundred, instead of printing them: somebody draws on the terminal and shows them."""
        if self._held is None:
            self._held = deque(maxlen=100)

    def release(self) -> None:
        """Print what was kept, and all that follows."""
        held, self._held = self._held, None
        for text in held or ():
            self._print(text)

    def _say(self, text: str) -> None:
        self.said.append((time.strftime("%H:%M:%S"), text))
        self.count += 1
        if self._held is None:
            self._print(text)
        else:
            self._held.append(text)

    def _print(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody may be listening any more
            print(text, file=sys.stderr, flush=True)
