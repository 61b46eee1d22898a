"""A process that denoises what it gets through a pipe, until nobody is at the other end.

Little is imported here: what is heavy comes in while the parent does other things.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .work import Wishes

READY = "ready"

_TELL_SECONDS = 0.25


class _OrphanedError(BaseException):
    """The parent has gone; nothing on the way may take it for a fault of the file."""


def serve(pipe: Connection[Any, Any], wishes: Wishes) -> None:
    """Take tasks, send shares that are done and outcomes.

    Args:
        pipe: `work.Task` comes in; `READY` once, shares from 0 to 1 and `work.Outcome` go out.
        wishes: what is meant for all tasks.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from ..errors import RtdenoiseError
    from .work import denoise_file, load_model

    told = 0.0

    def send(message: Any) -> None:
        try:
            pipe.send(message)
        except OSError:
            raise _OrphanedError from None

    def tell(share: float) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_SECONDS:
            told = time.monotonic()
            send(share)

    try:
        with contextlib.suppress(RtdenoiseError):  # each outcome says it
            load_model(wishes.model, wishes.digest)
        send(READY)
        while True:
            try:
                task = pipe.recv()
            except (EOFError, OSError):
                break
            send(denoise_file(task, wishes, tell))
    except _OrphanedError:
        pass
    os._exit(0)  # taking numba apart takes half a second
