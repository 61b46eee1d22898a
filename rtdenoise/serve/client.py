"""One client from its hello to its end.

A block is read, denoised and answered before the next one is read, so order, back-pressure and a bounded queue come by
themselves: what nobody reads stays in a short queue, then in the socket, then with the client.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from .. import __version__
from ..engine import Denoiser
from ..errors import ParameterError
from .access import same_token
from .connection import Connection
from .messages import Hello, RefusedError, read_control, read_hello
from .pace import Pace
from .stream import Stream
from .turns import at_once

if TYPE_CHECKING:
    from .server import Server


class Client:
    """Talks to one client.

    Attributes:
        doing: ``"hello"`` (waiting for it), ``"read"``, ``"work"``, ``"send"``, or ``"rest"`` (it was too fast).
        since: when that began, by `time.perf_counter`.
        ended: everything has been said; what follows is the closing of the connection.
        asked: when it was asked for a sign of life.
    """

    def __init__(self, connection: Connection, server: Server) -> None:
        self.connection = connection
        self.doing, self.since = "hello", time.perf_counter()
        self.asked, self.ended = 0.0, False
        self._server = server
        self._pace = Pace(server.settings.limits.speed, self.since)

    async def run(self) -> None:
        """All of it; raises nothing."""
        try:
            await self._converse()
        except RefusedError as refusal:
            await self.refuse(refusal)
        except ConnectionClosed as closed:
            self._note(closed)
        except Exception as error:
            self._server.report(error)
            await self.refuse(RefusedError("internal", "something went wrong in the server; its log says what"))

    async def refuse(self, refusal: RefusedError) -> None:
        """Say why, and end the connection."""
        if self.ended:
            return
        self.ended = True
        self._server.count_error(self.connection, refusal.reason, refusal.text)
        try:
            await asyncio.wait_for(self._say_goodbye(refusal), self._server.settings.limits.stuck)
        except ConnectionClosed:
            pass
        except asyncio.TimeoutError:
            self.connection.transport.abort()

    def drop(self, reason: str, text: str) -> None:
        """End the connection without another word: nobody would hear it."""
        if not self.ended:
            self.ended = True
            self._server.count_error(self.connection, reason, text)
        self.connection.transport.abort()

    async def _converse(self) -> None:
        server, connection = self._server, self.connection
        hello = read_hello(await connection.recv())
        self._admit(hello)
        with server.metrics.stream():
            stream = await self._open(hello)
            await connection.send(self._welcome(stream, hello))
            await self._denoise(stream)

    def _admit(self, hello: Hello) -> None:
        server = self._server
        wanted = server.settings.token
        if wanted is not None and not self.connection.has_token and not same_token(hello.token, wanted):
            raise RefusedError(
                "unauthorised", "a token is needed: in the hello as token, or as Authorization: Bearer TOKEN"
            )
        if server.draining:
            raise RefusedError("draining", "this server is about to end; try another one")
        if server.metrics.streams >= server.settings.limits.clients:
            raise RefusedError(
                "full", f"{server.settings.limits.clients} streams run here, no more may; try again later"
            )
        if hello.model is not None and hello.model not in server.models:
            raise RefusedError(
                "bad_hello", f"model={hello.model!r} is not served here; give {' or '.join(server.models)}"
            )

    async def _open(self, hello: Hello) -> Stream:
        models = self._server.models
        model = models[hello.model] if hello.model is not None else next(iter(models.values()))

        def make() -> Stream:
            limit = hello.attenuation_limit_db
            return Stream(Denoiser(hello.sample_rate, model, limit, hello.bypass, hello.overlap), hello.encoding)

        self.doing, self.since = "work", time.perf_counter()
        try:
            return (await self._server.turns.run(at_once(make), urgent=False)).value
        except ParameterError as error:
            raise RefusedError("bad_hello", str(error)) from None

    def _welcome(self, stream: Stream, hello: Hello) -> str:
        denoiser = stream.denoiser
        return json.dumps(
            {
                "type": "ready",
                "latency": denoiser.latency,
                "hop": denoiser.hop_length,
                "sample_rate": denoiser.sample_rate,
                "format": hello.encoding.name,
                **_controls(denoiser),
                "model": denoiser.model.name,
                "model_version": denoiser.model.version,
                "version": __version__,
                "max_block": self._server.settings.limits.block,
            }
        )

    async def _denoise(self, stream: Stream) -> None:
        connection, metrics, run = self.connection, self._server.metrics, self._server.turns.run
        pace = self._pace
        width = stream.encoding.width
        second = width * stream.denoiser.sample_rate
        now = time.perf_counter
        while True:
            self.doing, self.since = "read", now()
            message = await connection.recv()
            read = now()
            if isinstance(message, str):
                if await self._control(message, stream):
                    return
                pace.count(0.0, read)
            else:
                self._check_block(message, width)
                self.doing, self.since = "work", read
                done = await run(stream.process(message), urgent=pace.is_live(read))
                self.doing, self.since = "send", now()
                await connection.send(done.value)
                metrics.count_block(len(message) / second, done.seconds, now() - read)
                pace.count(len(message) / second, read)
            rest = pace.rest(now())
            if rest > 0:
                self.doing, self.since = "rest", now()
                await asyncio.sleep(rest)

    def _check_block(self, message: bytes, width: int) -> None:
        if len(message) % width:
            raise RefusedError(
                "odd_bytes", f"a block of {len(message)} bytes; a sample has {width}, so give a multiple of that"
            )
        longest = self._server.settings.limits.block
        if len(message) > longest * width:
            raise RefusedError(
                "block_too_long",
                f"a block of {len(message) // width} samples; {longest} are the most, send it in parts",
            )

    async def _control(self, message: str, stream: Stream) -> bool:
        """Do what a text message says; whether it ended the stream."""
        asked = read_control(message)
        if asked["type"] == "end":
            self.doing, self.since = "work", time.perf_counter()
            is_live = self._pace.is_live(self.since)
            tail = (await self._server.turns.run(at_once(stream.flush), urgent=is_live)).value
            answer = {"type": "end", "samples_in": stream.samples_in, "samples_out": stream.samples_out}
            self.doing, self.since = "send", time.perf_counter()
            await self.connection.send(tail)
            await self.connection.send(json.dumps(answer))
            self.ended = True
            return True
        denoiser = stream.denoiser
        try:
            if "attenuation_limit_db" in asked:
                denoiser.attenuation_limit_db = asked["attenuation_limit_db"]
            denoiser.bypass = asked.get("bypass", denoiser.bypass)
        except ParameterError as error:
            raise RefusedError("bad_message", str(error)) from None
        self.doing, self.since = "send", time.perf_counter()
        await self.connection.send(json.dumps({"type": "set", **_controls(denoiser)}))
        return False

    async def _say_goodbye(self, refusal: RefusedError) -> None:
        await self.connection.send(refusal.as_json())
        await self.connection.close(refusal.code, refusal.reason)

    def _note(self, closed: ConnectionClosed) -> None:
        """Count an end that was none of the usual ones, unless it was counted when we began it."""
        if self.ended or isinstance(closed, ConnectionClosedOK):
            return
        if closed.sent is not None and not closed.rcvd_then_sent:
            self._server.count_error(self.connection, "protocol", f"{closed.sent.code} {closed.sent.reason}".strip())
        elif closed.rcvd is None:
            self._server.count_error(self.connection, "disconnected", "it went without closing the connection")


def _controls(denoiser: Denoiser) -> dict[str, Any]:
    return {"attenuation_limit_db": denoiser.attenuation_limit_db, "bypass": denoiser.bypass}
