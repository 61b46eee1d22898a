"""The panel's process as the audio process sees it: started, fed, listened to, never waited for while sound flows."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from .readings import Board, Key, Readings
from .terminal import Terminal

_END_SECONDS = 2.0

#: Ctrl+C stays the terminal's, so that it reaches the audio process whatever the panel does.
_SETTINGS = {"TEXTUAL_ALLOW_SIGNALS": "1", "TEXTUAL_DISABLE_KITTY_KEY": "1"}


class Panel:
    """The panel until the end of the ``with`` block, or its own.

    Its process begins at once, which takes it some tenths of a second, but draws nothing before the first `show`: what
    goes wrong until then is told on a plain terminal.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._board: Board | None = None
        self._keys = -1
        self._terminal = Terminal()
        self.readings = Readings()

    def __enter__(self) -> Panel:
        with contextlib.suppress(OSError):
            self._board = Board()
            self._keys, theirs = os.pipe()
            try:
                self._process = _start(self._board.path, theirs)
            finally:
                os.close(theirs)
        return self

    @property
    def alive(self) -> bool:
        """Whether it is there to be shown anything."""
        return self._process is not None and self._process.poll() is None

    def show(self) -> None:
        """Publish `readings`."""
        if self._board is not None:
            self._board.write(self.readings)

    def pressed(self) -> list[Key]:
        """What was pressed since the last call; never waits."""
        return [Key(bytes([byte])) for byte in read_waiting(self._keys) if byte != Key.BEAT[0]]

    def close(self) -> None:
        """End it and give the terminal back."""
        if self._keys >= 0:
            os.close(self._keys)  # its next beat finds nobody
            self._keys = -1
        if self._process is not None:
            was_shown = self.readings.count > 0
            try:
                code = self._process.wait(_END_SECONDS if was_shown else 0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                code = self._process.wait()
            if was_shown and code < 0:  # a signal ended it; from its own errors it tidies up itself
                self._terminal.wipe()
            self._process = None
        if self._board is not None:
            self._board.remove()
            self._board = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _start(board: Path, keys: int) -> subprocess.Popen[bytes]:
    """Start the process; it inherits the terminal and the writing end of the pipe. Standard output may carry sound, so
    it gets the terminal for that too."""
    environment = os.environ | _SETTINGS
    for fixed_size in ("COLUMNS", "LINES"):  # would be believed when the window is resized, too
        environment.pop(fixed_size, None)
    options: dict[str, Any] = {"stdout": sys.stderr, "env": environment}
    if sys.platform == "win32":
        import msvcrt

        keys = msvcrt.get_osfhandle(keys)
        os.set_handle_inheritable(keys, True)
        options["close_fds"] = False
    else:
        options["pass_fds"] = [keys]
    return subprocess.Popen([sys.executable, "-m", __package__, str(board), str(keys)], **options)


def read_waiting(pipe: int) -> bytes:
    """What waits in a pipe, without waiting for more; nothing, too, where nobody will ever write again."""
    try:
        if sys.platform != "win32":
            os.set_blocking(pipe, False)
            return os.read(pipe, 4096)
        import ctypes
        import msvcrt

        waiting = ctypes.c_ulong()
        ctypes.windll.kernel32.PeekNamedPipe(msvcrt.get_osfhandle(pipe), None, 0, None, ctypes.byref(waiting), None)
        return os.read(pipe, waiting.value) if waiting.value else b""
    except OSError:
        return b""
