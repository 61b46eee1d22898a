"""The server of the page: a socket on this computer, and a thread behind it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
import threading
from types import TracebackType

import uvicorn

from .app import Page
from .errors import WebError
from .guard import Guard
from .live import LiveProcess
from .uploads import Uploads

_HOST = "127.0.0.1"
_END_SECONDS = 1.0
_LARGEST_MESSAGE = 4096  # bytes, of a WebSocket's


class PageServer:
    """Serves the page until the end of the ``with`` block.

    Args:
        port: 0 for any that is free.
        uploads: what takes files; one with the usual limits by default.

    Attributes:
        address: of the page, token and all.
        port: where it is.

    Raises:
        WebError: the port is taken or forbidden.
    """

    def __init__(self, port: int = 0, uploads: Uploads | None = None) -> None:
        self._socket = _listen(port)
        self.port: int = self._socket.getsockname()[1]
        self._uploads = Uploads() if uploads is None else uploads
        self.live = LiveProcess(self._uploads.folder)
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=self._serve, name="rtdenoise web", daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> PageServer:
        self._thread.start()
        self._ready.wait()
        return self

    @property
    def address(self) -> str:
        """What to open in the browser."""
        return f"http://{_HOST}:{self.port}/?token={self._guard.token}"

    def wait(self) -> None:
        """Return when it has ended, which it does not by itself; signals are the calling thread's."""
        while self._thread.is_alive():
            self._thread.join(0.2)

    def close(self) -> None:
        """End it, live sound included, and forget what was dropped."""
        if self._server is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(_END_SECONDS)
        self.live.stop()
        self._socket.close()
        self._uploads.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._serve_page())

    async def _serve_page(self) -> None:
        page = Page(self._uploads, self.live)
        self._guard = Guard(page.app, self.port)
        config = uvicorn.Config(
            self._guard,
            http="h11",
            ws="websockets-sansio",
            ws_max_size=_LARGEST_MESSAGE,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._ready.set()
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            page.close()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":  # where the other option would let two have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        taken = error.errno in (errno.EADDRINUSE, errno.EACCES) and port >= 1024
        reason = "is taken; does another rtdenoise web run?" if taken else f"cannot be had ({error.strerror});"
        raise WebError(f"port {port} {reason} --port takes another one, --port 0 any that is free") from None
    return listener
