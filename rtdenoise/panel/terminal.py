"""The terminal that the panel draws on: whether there is one, and how it was found."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import Any

#: What a panel that was killed leaves switched on, off again: lines that do not wrap, paste marks, reports of focus and
#: size, the other screen, a hidden cursor, colours.
_PLAIN = b"\x1b[?7h\x1b[?2004l\x1b[?1004l\x1b[?2048l\x1b[?1049l\x1b[?25h\x1b[0m"


def can_draw() -> bool:
    """Whether there is a terminal to draw on and to read keys from, and this process is the one it listens to."""
    for stream in (sys.stdin, sys.stderr):
        if stream is None or not stream.isatty():
            return False
    if os.environ.get("TERM") == "dumb" or not sys.stderr.encoding.lower().startswith("utf"):
        return False
    with contextlib.suppress(OSError):  # not its controlling terminal: nobody will be stopped
        # One that reads keys from the background is stopped for it.
        return sys.platform == "win32" or os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    return True


class Terminal:
    """The terminal as it was found. On Windows the library that draws looks after it alone."""

    def __init__(self) -> None:
        self._settings: list[Any] | None = None
        if sys.platform != "win32":
            import termios

            with contextlib.suppress(OSError, ValueError, AttributeError, termios.error):
                self._settings = termios.tcgetattr(sys.stdin.fileno())

    def keep_running(self) -> None:
        """Make Ctrl+Z a key like others: of two processes that are stopped at once one would leave the screen half."""
        if sys.platform != "win32" and self._settings is not None:
            import termios

            characters = list(self._settings[-1])
            characters[termios.VSUSP] = os.fpathconf(sys.stdin.fileno(), "PC_VDISABLE")
            self._set([*self._settings[:-1], characters])

    def restore(self) -> None:
        """Make the settings what they were."""
        self._set(self._settings)

    def wipe(self) -> None:
        """Do so, and clear away what somebody left who was killed while drawing."""
        with contextlib.suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), _PLAIN)
        self.restore()

    @staticmethod
    def _set(settings: list[Any] | None) -> None:
        if sys.platform == "win32" or settings is None:
            return
        import termios

        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # else it stops who does so from the background
        with contextlib.suppress(OSError, ValueError, termios.error):
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, settings)
        signal.signal(signal.SIGTTOU, before)
