"""A terminal with a screen: what a process draws on it can be looked at, and keys be typed into it."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

pyte = pytest.importorskip("pyte")
pty = pytest.importorskip("pty")
if True:  # Windows has none of them
    import fcntl
    import struct
    import termios

#: Questions to a terminal and settings that pyte does not know.
_UNKNOWN = re.compile(rb"\x1b\[[?>=<][0-9;]*\$?[pu]")


class Terminal:
    """A process on a pseudo-terminal that is its controlling one, standard output apart if asked for.

    Args:
        command: and its arguments.
        columns, lines: of the screen.
        options: for `subprocess.Popen`; ``env`` gets a TERM.
    """

    def __init__(self, command: list[str], columns: int = 100, lines: int = 30, **options: Any) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self._ours, theirs = pty.openpty()
        self._set_size(columns, lines)
        self.settings = termios.tcgetattr(theirs)
        given = options.pop("env", os.environ)
        environment = {**given, "TERM": options.pop("term", "xterm-256color"), "COLORTERM": "truecolor"}
        environment.pop("NO_COLOR", None)
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs} | options
        self.process = subprocess.Popen(
            command,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(2, termios.TIOCSCTTY, 0),
            **streams,
        )
        self._theirs = theirs  # kept, so that its settings can be looked at when the process is gone

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for number in (self._ours, self._theirs):
            if number >= 0:
                os.close(number)

    @property
    def screen(self) -> str:
        """What is on it now."""
        self.pass_time(0)
        return "\n".join(line.rstrip() for line in self._screen.display)

    @property
    def is_as_found(self) -> bool:
        """Whether its settings are what they were before the process."""
        return termios.tcgetattr(self._theirs) == self.settings

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Make the window larger or smaller."""
        self._screen.resize(lines, columns)
        self._set_size(columns, lines)

    def pass_time(self, seconds: float) -> None:
        """Draw what comes for so long, and whatever is there already."""
        deadline = time.monotonic() + seconds
        while select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
            piece = os.read(self._ours, 65536)
            self.raw += piece
            self._stream.feed(_UNKNOWN.sub(b"", piece))
            if time.monotonic() > deadline + 1.0:
                break

    def wait_for(self, text: str, seconds: float = 15.0) -> str:
        """The screen as soon as a pattern is found on it."""
        deadline = time.monotonic() + seconds
        while not re.search(text, self.screen):
            assert time.monotonic() < deadline, f"no {text!r} on the screen:\n{self.screen}"
            self.pass_time(0.05)
        return self.screen

    def wait(self, seconds: float = 15.0) -> int:
        """The exit code of the process."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            self.pass_time(0.05)
        return self.process.wait(timeout=1)

    def hang_up(self) -> None:
        """Close the window; the system sends SIGHUP to those in it."""
        os.close(self._ours)
        os.close(self._theirs)
        self._ours = self._theirs = -1

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def children(process: int) -> list[int]:
    """The processes that a process has started and that live."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(number) for task in tasks for number in task.read_text().split()]
