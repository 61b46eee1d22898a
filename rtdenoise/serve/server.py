"""The server: listens, looks after those who do not behave, and ends without cutting anybody off."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np
from websockets.asyncio.server import Server as Listener
from websockets.asyncio.server import ServerConnection, broadcast, serve

from ..config import NATIVE_RATES, ContextTransform
from ..engine import Denoiser
from ..errors import ParameterError, RtdenoiseError
from ..model import Model
from .access import tls_context
from .client import Client
from .connection import Connection
from .doorkeeper import Doorkeeper
from .messages import RefusedError
from .metrics import Metrics
from .settings import Settings, cores
from .turns import Turns

#: Messages that may lie ready, and bytes that may wait to be sent, here and in the system, before we wait as well.
_QUEUE, _UNSENT_BYTES, _SOCKET_BYTES = 8, 65536, 262144
#: Sockets beyond those of streams: some have not said hello, are just closing, or ask for /health.
SPARE_CONNECTIONS = 128
_CLOSE_SECONDS = 5.0
_LOOK_SECONDS = 0.5


class ServeError(RtdenoiseError):
    """A server that cannot listen where it should."""


class Server:
    """Serves from the start of an ``async with`` block to its end, which closes with code 1001 what is still open.

    Making one loads the models, which takes some tenths of a second.

    Args:
        settings: see `Settings`.
        tell: is told of connections that ended badly, a line each.
        report: is told of errors that nobody expected.

    Raises:
        ParameterError: certificate and key cannot be used, or two models have one name.
        ModelError: a model cannot be loaded.
        ServeError: from ``async with``: the port cannot be had.

    Attributes:
        models: by the names that clients know them by.
        metrics: what is counted.
        turns: the compute threads.
        draining: no stream begins any more.
        port, metrics_port: where it listens; the second one is None where there is none.
    """

    metrics: Metrics
    turns: Turns

    def __init__(
        self,
        settings: Settings,
        tell: Callable[[str], None] = lambda text: None,
        report: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        self.settings, self.report, self._tell = settings, report, tell
        self.workers = settings.workers or cores()
        self.draining = False
        self.port, self.metrics_port = settings.port, settings.metrics_port
        self._tls = tls_context(settings.certificate, settings.key) if settings.certificate and settings.key else None
        self.models: dict[str, Model] = {}
        for model in map(Model.load, settings.models):
            if self.models.setdefault(model.name, model) is not model:
                raise ParameterError(f"two models are called {model.name!r}; clients could not tell them apart")
            _warm_up(model)
        self._connections: set[Connection] = set()
        self._clients: set[Client] = set()
        self._listeners: list[Listener] = []
        self._asides: set[asyncio.Task[None]] = set()

    @property
    def is_crowded(self) -> bool:
        """Whether there are more connections than streams and those about to become one can need."""
        return len(self._connections) > self.settings.limits.clients + SPARE_CONNECTIONS // 2

    def count_error(self, connection: Connection, reason: str, text: str) -> None:
        """A connection ended badly."""
        self.metrics.errors[reason] += 1
        self._tell(f"{connection.address}: {reason}: {text}")

    async def drain(self, seconds: float) -> None:
        """Let no stream begin, and wait until those that run have ended, so many seconds at most."""
        self.draining = True
        broadcast([client.connection for client in self._clients], json.dumps({"type": "draining", "seconds": seconds}))
        end = time.perf_counter() + seconds
        while self.metrics.streams and time.perf_counter() < end:
            await asyncio.sleep(0.02)

    async def __aenter__(self) -> Server:
        self.turns = Turns(self.workers)
        self.metrics = Metrics(lambda: self.turns.waiting, lambda: len(self._connections))
        apart = self.settings.metrics_port is not None
        try:
            self.port = await self._listen(self.settings.port, Doorkeeper(self, streams=True, metrics=not apart))
            if self.settings.metrics_port is not None:
                keeper = Doorkeeper(self, streams=False, metrics=True)
                self.metrics_port = await self._listen(self.settings.metrics_port, keeper)
        except BaseException:
            await self._end()
            raise
        self._do_aside(self._look_after_clients())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        self.draining = True
        for task in self._asides:
            task.cancel()
        for listener in self._listeners:
            listener.close()
        talking = {client.connection for client in self._clients}
        for connection in self._connections - talking:  # they have not even asked for something
            connection.transport.abort()
        for listener in self._listeners:
            await listener.wait_closed()
        self.turns.close()

    async def _listen(self, port: int, keeper: Doorkeeper) -> int:
        host, limits = self.settings.host, self.settings.limits

        def connect(*arguments: Any, **options: Any) -> Connection:
            room = limits.clients + SPARE_CONNECTIONS
            return Connection(*arguments, house=self._connections, room=room, on_garbage=self._note_garbage, **options)

        options: dict[str, Any] = {"create_connection": connect, "logger": _silent()}
        try:
            listener = await serve(
                self._serve,
                host,
                port,
                ssl=self._tls,
                compression=None,
                process_request=keeper.process_request,
                process_response=keeper.process_response,
                server_header=None,
                open_timeout=limits.hello,
                ping_interval=None,  # one look after all of them instead of a task for each
                close_timeout=_CLOSE_SECONDS,
                max_size=8 * limits.block,  # twice what is legal, so that a little too much gets an answer in words
                max_queue=_QUEUE,
                write_limit=_UNSENT_BYTES,
                **options,
            )
        except OSError as error:
            raise ServeError(_cannot_listen(host, port, error)) from None
        self._listeners.append(listener)
        for listening in listener.sockets:  # what is accepted inherits it
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                listening.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BYTES)
        return int(listener.sockets[0].getsockname()[1])

    async def _serve(self, connection: ServerConnection) -> None:
        assert isinstance(connection, Connection)
        client = Client(connection, self)
        self._clients.add(client)
        try:
            await client.run()
        finally:
            self._clients.discard(client)

    def _note_garbage(self, connection: Connection) -> None:
        self.count_error(connection, "garbage", "what it sent was no HTTP request")

    async def _look_after_clients(self) -> None:
        """End those who say nothing, take nothing, or are not there any more; one timer for all of them."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.perf_counter()
            for client in [client for client in self._clients if not client.ended]:
                self._look_after(client, now)

    def _look_after(self, client: Client, now: float) -> None:
        limits, passed = self.settings.limits, now - client.since
        if client.doing == "hello" and passed > limits.hello:
            self._do_aside(client.refuse(RefusedError("hello_timeout", f"no hello came within {limits.hello:g} s")))
        elif client.doing == "read" and passed > limits.idle:
            self._do_aside(client.refuse(RefusedError("idle", f"nothing came for {limits.idle:g} s")))
        elif client.doing == "send" and passed > limits.stuck:
            client.drop("slow_reader", f"it took nothing for {limits.stuck:g} s")
        elif client.doing in ("hello", "read"):  # otherwise we do not listen
            heard = max(client.connection.heard, client.since)
            if now - heard > limits.silence and client.asked <= heard:
                client.asked = now
                self._do_aside(_ping(client.connection))
            elif client.asked > heard and now - client.asked > limits.silence:
                client.drop("unresponsive", f"no sign of life for {now - heard:.0f} s")

    def _do_aside(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)


async def _ping(connection: Connection) -> None:
    with contextlib.suppress(Exception):  # it is gone; whoever reads from it notices
        await connection.ping()


def _warm_up(model: Model) -> None:
    """Compile and load what the first client would have to wait for."""
    rates = [model.transform.sample_rate] if isinstance(model.transform, ContextTransform) else NATIVE_RATES
    for rate in (*rates, 44100):
        Denoiser(rate, model).process(np.zeros(rate // 10, np.float32))


def _silent() -> logging.Logger:
    """For websockets, whose log would show tracebacks of what any client can cause; we count and tell instead."""
    logger = logging.Logger("rtdenoise.serve", logging.CRITICAL + 1)
    logger.addHandler(logging.NullHandler())
    return logger


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    import errno

    where = f"port {port} of {host}"
    if error.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE)):
        return f"{where} is taken, perhaps by another rtdenoise serve; end that one, or take another --port"
    if error.errno == errno.EACCES:
        return f"{where} is not for everybody; take a --port above 1023"
    return f"{where} cannot be listened at: {error.strerror or error}; check --host and --port"
