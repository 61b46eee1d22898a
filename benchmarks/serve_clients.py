"""The clients of ``benchmarks.serve``, a process of their own: paced ones, as microphones are, and rude ones.

python -m benchmarks.serve_clients '{"kind": "paced", "url": "ws://127.0.0.1:8765", "streams": 25, ...}'

A job is JSON on the command line, its result JSON on standard output.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import sys
import time
from typing import Any

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from rtdenoise.files.pcm import S16LE, encode

from .scaling import RATE, noisy_speech

HELLO = json.dumps({"sample_rate": RATE, "format": "s16le"})


def sound(stream: int, streams: int, seconds: float) -> bytes:
    """What a client sends: each another place of the same conversation."""
    speech = noisy_speech()
    rolled = np.roll(speech, -stream * len(speech) // streams)
    return encode(np.resize(rolled, round(seconds * RATE)), S16LE)


async def paced(url: str, stream: int, streams: int, seconds: float, block: int, begin: float) -> dict[str, Any]:
    """One stream in real time: a block each time that it is due, from ``begin`` on, whatever comes back when.

    Returns:
        ``delays`` from sending each block to having its answer, ``late`` from when it was due to sending it, in
        seconds; ``samples`` that came back, and a ``digest`` of them.
    """
    data = sound(stream, streams, seconds)
    blocks = [data[place : place + 2 * block] for place in range(0, len(data), 2 * block)]
    delays, late, sent = np.zeros(len(blocks)), np.zeros(len(blocks)), np.zeros(len(blocks))
    now, came = time.perf_counter, hashlib.sha256()
    async with connect(url, compression=None, ping_interval=None) as socket:
        await socket.send(HELLO)
        json.loads(await socket.recv())

        async def receive() -> int:
            samples = 0
            for index in range(len(blocks)):
                answer = await socket.recv()
                delays[index] = now() - sent[index]
                samples += len(answer) // 2
                came.update(answer)
            return samples

        receiver = asyncio.ensure_future(receive())
        for index, data in enumerate(blocks):
            due = begin + index * block / RATE
            await asyncio.sleep(max(0.0, due - now()))
            sent[index] = now()
            late[index] = sent[index] - due
            await socket.send(data)
        samples = await receiver
        await socket.send('{"type": "end"}')
        tail = await socket.recv()
        came.update(tail)
        await socket.recv()
    return {
        "delays": delays.tolist(),
        "late": late.tolist(),
        "samples": samples + len(tail) // 2,
        "digest": came.hexdigest(),
    }


async def run_paced(url: str, streams: int, seconds: float, block: int) -> dict[str, Any]:
    """Many of them, which begin at any time within the first second."""
    chance = random.Random(1)
    begin = time.perf_counter() + 0.5 + 0.02 * streams
    starts = [begin + chance.random() for _ in range(streams)]
    results = await asyncio.gather(
        *(paced(url, i, streams, seconds, block, start) for i, start in enumerate(starts)), return_exceptions=True
    )
    fine = [result for result in results if isinstance(result, dict)]
    return {
        "delays": [delay for result in fine for delay in result["delays"]],
        "late": [late for result in fine for late in result["late"]],
        "samples": [result["samples"] for result in fine],
        "digest": fine[0]["digest"] if fine else None,
        "failures": [f"{type(error).__name__}: {error}" for error in results if isinstance(error, BaseException)],
    }


async def polite(url: str) -> None:
    """A short stream, ended as it should be."""
    async with connect(url, compression=None) as socket:
        await socket.send(HELLO)
        await socket.recv()
        for _ in range(3):
            await socket.send(bytes(640))
            await socket.recv()
        await socket.send('{"type": "end"}')
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()


async def vanishing(url: str) -> None:
    """Gone in the middle of a stream, with a reset."""
    async with connect(url, compression=None) as socket:
        await socket.send(HELLO)
        await socket.recv()
        await socket.send(bytes(64000))
        socket.transport.abort()


async def silent(url: str) -> None:
    """Connects, says nothing, goes."""
    async with connect(url, compression=None):
        pass


async def mistaken(url: str) -> None:
    """Half a sample."""
    async with connect(url, compression=None) as socket:
        await socket.send(HELLO)
        await socket.recv()
        await socket.send(b"odd")
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()


async def raw_bytes(url: str, data: bytes, *, handshake: bool) -> None:
    """Random bytes, as a request or as frames after a handshake; until the server ends it."""
    host, port = url.removeprefix("ws://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        if handshake:
            writer.write(request(host))
            await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await asyncio.wait_for(reader.read(), 30)
    except OSError:
        pass
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def request(host: str) -> bytes:
    """A handshake by hand."""
    lines = ["GET / HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", ""]
    return "\r\n".join(lines).encode()


async def run_rude(url: str, connects: int, stubborn: int, seconds: float) -> dict[str, Any]:
    """``connects`` clients of all kinds, some at a time, while ``stubborn`` ones do not read, and as many are absent.

    The latter stay for as long as the server lets them, ``seconds`` at most.
    """
    chance, several = random.Random(2), asyncio.Semaphore(8)
    failures: list[str] = []

    async def one(index: int) -> None:
        kinds = [polite, vanishing, silent, mistaken]
        async with several:
            try:
                kind = index % 6
                if kind < 4:
                    await kinds[kind](url)
                else:
                    # The first byte is such as no method and no frame begins with.
                    await raw_bytes(url, b"\xff" + chance.randbytes(200) + b"\r\n\r\n", handshake=kind == 5)
            except Exception as error:
                failures.append(f"kind {index % 6}: {type(error).__name__}: {error}")

    bad = [asyncio.ensure_future(deaf(url, seconds)) for _ in range(stubborn)]
    bad += [asyncio.ensure_future(absent(url, seconds)) for _ in range(stubborn)]
    await asyncio.gather(*map(one, range(connects)))
    ended = await asyncio.gather(*bad, return_exceptions=True)
    return {"failures": failures[:10], "failed": len(failures), "ended_by_server": [end is True for end in ended]}


async def deaf(url: str, seconds: float) -> bool:
    """Sends and never reads; whether the server ended it."""
    async with connect(url, compression=None, max_queue=1, ping_interval=None, close_timeout=0.1) as socket:
        await socket.send(HELLO)
        await socket.recv()
        block, end = bytes(32000), time.perf_counter() + seconds
        try:
            while time.perf_counter() < end:
                await asyncio.wait_for(socket.send(block), seconds)
                await asyncio.sleep(0.01)
        except ConnectionClosed:
            return True
        except asyncio.TimeoutError:
            pass
        return False


async def absent(url: str, seconds: float) -> bool:
    """A hello and a block, then nothing, not even an answer to a ping; whether the server ended it."""
    host, port = url.removeprefix("ws://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request(host))
    await reader.readuntil(b"\r\n\r\n")
    hello = HELLO.encode()
    mask = os.urandom(4)
    writer.write(bytes([0x81, 0x80 | len(hello)]) + mask + bytes(c ^ mask[i % 4] for i, c in enumerate(hello)))
    try:
        await asyncio.wait_for(reader.read(), seconds)
    except asyncio.TimeoutError:
        return False
    except OSError:
        pass
    finally:
        writer.close()
    return True


def main(arguments: list[str]) -> int:
    """Do a job."""
    job = json.loads(arguments[0])
    kind = {"paced": run_paced, "rude": run_rude}[job.pop("kind")]
    print(json.dumps(asyncio.run(kind(**job))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
