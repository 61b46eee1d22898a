"""A live run that another process steers: it reads the board and the scopes, and writes wishes into standard input."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from ..live.recorder import Recorder
from ..panel.orders import parse_order
from ..panel.process import read_waiting
from ..panel.readings import Board, Key, Readings, Wish
from ..panel.scope import Scope
from .reporter import Reporter


class Steering:
    """The `attend.Watcher` of a run that `rtdenoise web` has started.

    Args:
        board: where `readings` go.
        orders: the file descriptor of a pipe. A line ``{"bypass": true}`` is a wish, ``{"quit": true}`` ends the run,
            and so does the end of the pipe: whoever steered has gone.
    """

    alive = True

    def __init__(self, board: Board, orders: int) -> None:
        self.readings = Readings()
        self._board, self._orders, self._rest = board, orders, b""

    @classmethod
    @contextlib.contextmanager
    def of(cls, paths: tuple[str, str, str], recorder: Recorder, reporter: Reporter) -> Iterator[Steering]:
        """What the paths of a board and two scopes name, fed by the taps of ``recorder``; lines for people that
        were on the board are printed after it."""
        board, before, after = Board(Path(paths[0])), Scope(Path(paths[1])), Scope(Path(paths[2]))
        recorder.input.onlooker, recorder.output.onlooker = before.write, after.write
        try:
            yield cls(board, sys.stdin.fileno())
        finally:
            recorder.input.onlooker = recorder.output.onlooker = None
            for shared in (board, before, after):  # their maker may have been killed
                shared.remove()
            reporter.release()

    def show(self) -> None:
        """Publish `readings`."""
        self._board.write(self.readings)

    def pressed(self) -> list[Key | Wish]:
        """See `attend.Watcher`."""
        if self._has_ended():
            return [Key.QUIT]
        *lines, self._rest = (self._rest + read_waiting(self._orders)).split(b"\n")
        return [wish for line in lines for wish in parse_order(line)]

    def close(self) -> None:
        """It ends with the run."""

    def _has_ended(self) -> bool:
        """Whether nobody will ever write into the pipe again."""
        if sys.platform == "win32":
            import ctypes
            import msvcrt

            pipe = msvcrt.get_osfhandle(self._orders)
            return not ctypes.windll.kernel32.PeekNamedPipe(pipe, None, 0, None, None, None)
        import select

        poll = select.poll()
        poll.register(self._orders, select.POLLIN)
        return any(event & select.POLLHUP and not event & select.POLLIN for _, event in poll.poll(0))
