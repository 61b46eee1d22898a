"""A server in the test's own process, and clients for it that are the real library's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from rtdenoise import Denoiser, Model
from rtdenoise.files.pcm import RAW_FORMATS, decode, encode
from rtdenoise.serve.server import Server
from rtdenoise.serve.settings import Limits, Settings

HELLO = {"sample_rate": 16000, "format": "s16le"}
#: Tests send as fast as they can.
FAST = {"speed": float("inf")}


def run(scenario: Coroutine[Any, Any, Any]) -> Any:
    """Run it to its end; a minute is the most."""

    async def limited() -> Any:
        return await asyncio.wait_for(scenario, 60)

    return asyncio.run(limited())


def server(
    model: Model, *others: str, told: list[str] | None = None, limits: dict[str, Any] | None = None, **rest: Any
) -> Server:
    """On a free port, with two compute threads."""
    settings = Settings(port=0, models=(str(model.path), *others), workers=2, limits=Limits(**(limits or FAST)), **rest)

    def fail(error: BaseException) -> None:
        told.append(f"unexpected {error}") if told is not None else None

    return Server(settings, (lambda text: None) if told is None else told.append, fail)


def url(there: Server, scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{there.port}"


def client(there: Server, **options: Any) -> connect:
    return connect(url(there), **{"compression": None, "ping_interval": None} | options)


async def begin(socket: ClientConnection, **hello: Any) -> dict[str, Any]:
    """Say hello; the answer."""
    await socket.send(json.dumps(HELLO | hello))
    return json.loads(await socket.recv())


async def end(socket: ClientConnection) -> tuple[bytes, dict[str, Any]]:
    """End the stream: its tail, and the server's last words; the connection is closed as it should be."""
    await socket.send('{"type": "end"}')
    tail, words = await socket.recv(), json.loads(await socket.recv())
    await socket.wait_closed()
    assert socket.close_code == 1000
    return tail, words


async def stream(there: Server, data: bytes, cuts: list[int], **hello: Any) -> bytes:
    """All that comes back for ``data``, cut into blocks at bytes ``cuts``."""
    async with client(there) as socket:
        await begin(socket, **hello)
        out = []
        for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
            await socket.send(data[start:stop])
            out.append(await socket.recv())
        return b"".join([*out, (await end(socket))[0]])


def expected(model: Model, data: bytes, sample_rate: int = 16000, form: str = "s16le", **options: Any) -> bytes:
    """What a Denoiser makes of it."""
    denoiser = Denoiser(sample_rate, model, **options)
    samples = decode(data, RAW_FORMATS[form])
    return encode(np.concatenate([denoiser.process(samples), denoiser.flush()]), RAW_FORMATS[form])


async def refusal(socket: ClientConnection) -> tuple[str, str, int]:
    """Read on until the server ends the connection: reason and text of its error, and the close code."""
    error: dict[str, Any] = {}
    try:
        while True:
            message = await socket.recv()
            if isinstance(message, str) and json.loads(message)["type"] == "error":
                error = json.loads(message)
    except ConnectionClosed:
        pass
    return error.get("reason", ""), error.get("message", ""), socket.close_code


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for it."""
    for _ in range(round(seconds / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")


async def fetch(there: Server, path: str, *headers: str, port: int | None = None) -> tuple[int, str]:
    """By plain HTTP: status and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port or there.port)
    writer.write("\r\n".join([f"GET {path} HTTP/1.1", "Host: here", *headers, "", ""]).encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body
