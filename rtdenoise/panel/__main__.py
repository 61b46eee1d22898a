"""The panel's process: ``python -m rtdenoise.panel BOARD KEYS``, started by `process.Panel` only."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from pathlib import Path

from .readings import Board, Key
from .terminal import Terminal


class Pipe:
    """The writing end towards the audio process.

    Args:
        number: the file descriptor, on Windows the handle, that was inherited.
    """

    def __init__(self, number: int) -> None:
        if sys.platform == "win32":
            import msvcrt

            number = msvcrt.open_osfhandle(number, os.O_WRONLY)
        else:
            os.set_blocking(number, False)  # the other side may be stopped for long
        self._number = number

    def send(self, key: Key) -> bool:
        """Send one byte; False when nobody will ever read it. Ends the process when its terminal was closed: what draws
        would wait for it for ever."""
        if not os.isatty(0):
            os._exit(1)
        try:
            os.write(self._number, key)
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True


def main(path: str, number: str) -> int:
    """Wait for the first block, then draw until the audio process ends; the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the process that makes the sound
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # even under nohup: without a terminal there is nothing to do
        os.nice(5)
    board = Board(Path(path))
    told = sys.stderr = io.StringIO()  # the screen is drawn on the original; what is said of a crash fills screens
    try:
        code = _draw(board, Pipe(int(number)))
    except ImportError as error:
        code = 1
        told.write(str(error))
    finally:
        board.remove()
    if code and sys.__stderr__ is not None:
        reason = told.getvalue().strip().split("\n")[-1]
        sys.__stderr__.write(f"rtdenoise: the panel failed: {reason}\n")  # at once: the other process writes, too
    return code


def _draw(board: Board, pipe: Pipe) -> int:
    from .app import PanelApp

    while board.read() is None:
        if not pipe.send(Key.BEAT):
            return 0
        time.sleep(0.02)
    terminal = Terminal()
    terminal.keep_running()
    try:
        app = PanelApp(board.read, pipe.send)
        app.run(mouse=False)
    finally:
        terminal.restore()
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
