"""What people read: lines on standard error, as many as they asked for."""

from __future__ import annotations

import contextlib
import sys


class Reporter:
    """Speaks on standard error, never on standard output, which belongs to audio and data.

    Attributes:
        verbosity: -1 errors only, 0 the usual, 1 more, 2 tracebacks too.
    """

    def __init__(self, verbosity: int = 0) -> None:
        self.verbosity = verbosity

    def say(self, text: str) -> None:
        """What everybody should see."""
        if self.verbosity >= 0:
            self._print(text)

    def detail(self, text: str) -> None:
        """What somebody who looks closer wants to see."""
        if self.verbosity >= 1:
            self._print(text)

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

    def _print(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody may be listening any more
            print(text, file=sys.stderr, flush=True)
