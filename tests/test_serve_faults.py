"""Hazard: what goes wrong with one client leaves something behind, or reaches the others."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random

import pytest
from serving import HELLO, begin, client, end, expected, refusal, run, server, stream, until

from benchmarks.serve_clients import mistaken, polite, raw_bytes, silent, vanishing
from rtdenoise import Denoiser
from rtdenoise.errors import ParameterError
from rtdenoise.files.pcm import S16LE, encode
from rtdenoise.serve.server import ServeError, Server
from rtdenoise.serve.settings import Settings


def files() -> int:
    """That this process has open; 0 where nobody can tell."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


def held() -> tuple[int, int, int]:
    """Files, tasks, streams of this process."""
    gc.collect()
    # Not isinstance, which asks what a weak proxy of some other test stands for, and that may be gone.
    streams = sum(issubclass(type(thing), Denoiser) for thing in gc.get_objects())
    return files(), len(asyncio.all_tasks()), streams


def test_clients_of_all_kinds_leave_nothing_behind_and_disturb_nobody(leaky, speechlike):
    data = encode(speechlike(16000), S16LE)
    chance = random.Random(3)

    async def visit(url):
        await polite(url)
        await silent(url)
        await mistaken(url)
        await vanishing(url)
        await raw_bytes(url, b"\xff" + chance.randbytes(100) + b"\r\n\r\n", handshake=False)
        await raw_bytes(url, b"\xff" + chance.randbytes(100), handshake=True)

    async def scenario():
        async with server(leaky) as there:
            url = f"ws://127.0.0.1:{there.port}"
            await visit(url)
            await until(lambda: not there._connections and not there._clients)
            before = held()
            for _ in range(5):
                good = stream(there, data, list(range(640, len(data), 640)))
                out, *_ = await asyncio.gather(good, visit(url), visit(url))
                assert out == expected(leaky, data)
            await until(lambda: not there._connections and not there._clients)
            assert there.metrics.streams == there.turns.waiting == 0
            return before, held(), dict(there.metrics.errors)

    before, after, errors = run(scenario())
    assert after == before
    assert errors == {"garbage": 11, "protocol": 11, "odd_bytes": 11, "disconnected": 11}


def test_an_error_that_nobody_expected_ends_one_stream(identity, monkeypatch):
    process = Denoiser.process

    def fail(self, samples):
        if len(samples) == 13:
            raise ZeroDivisionError("in the middle of it")
        return process(self, samples)

    monkeypatch.setattr(Denoiser, "process", fail)
    told = []

    async def scenario():
        async with server(identity, told=told) as there, client(there) as good, client(there) as bad:
            await begin(good)
            await begin(bad)
            await bad.send(bytes(26))
            answer = await refusal(bad)
            await good.send(bytes(320))
            await good.recv()
            await end(good)
            return answer

    reason, text, code = run(scenario())
    assert (reason, code) == ("internal", 1011)
    assert "its log says what" in text
    assert told[0] == "unexpected in the middle of it"


def test_a_client_that_goes_while_its_block_is_computed(identity):
    """What came of it is nobody's; the thread goes on with the next one."""

    async def scenario():
        async with server(identity, limits={"speed": 1e9, "block": 1 << 20}) as there:
            for _ in range(3):
                socket = await client(there)
                await begin(socket)
                await socket.send(bytes(2 << 20))
                socket.transport.abort()
            await stream(there, bytes(640), [])
            await until(lambda: there.metrics.streams == 0)

    run(scenario())


def test_a_client_that_errs_and_does_not_read_is_dropped(identity):
    async def scenario():
        async with server(identity, limits={"speed": 1e9, "stuck": 0.3}) as there:
            socket = await client(there, max_queue=1, close_timeout=0.1)
            await begin(socket)
            socket.transport.pause_reading()
            await socket.send(b"odd")
            await until(lambda: there.metrics.streams == 0)
            assert there.metrics.errors == {"odd_bytes": 1}
            socket.transport.abort()

    run(scenario())


def test_the_end_of_a_server_closes_what_is_open_with_1001(identity):
    async def scenario():
        async with server(identity) as there:
            running, waiting = await client(there), await client(there)
            await begin(running)
            reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
            await until(lambda: len(there._connections) == 3)
        await running.wait_closed()
        await waiting.wait_closed()
        writer.close()
        assert (running.close_code, waiting.close_code) == (1001, 1001)
        assert await reader.read() == b""
        assert not there.metrics.streams

    run(scenario())


def test_draining_lets_streams_end_and_none_begin(identity):
    async def scenario():
        async with server(identity) as there:
            running, late = await client(there), await client(there)
            await begin(running)
            draining = asyncio.ensure_future(there.drain(10.0))
            assert json.loads(await running.recv()) == {"type": "draining", "seconds": 10.0}
            assert json.loads(await late.recv())["type"] == "draining"
            await late.send(json.dumps(HELLO))
            assert (await refusal(late))[::2] == ("draining", 1013)
            with pytest.raises(Exception, match="503"):
                await client(there)
            await running.send(bytes(640))
            assert len(await running.recv()) >= 640
            assert not draining.done()
            await end(running)
            await asyncio.wait_for(draining, 2)

    run(scenario())


def test_draining_ends_after_its_time(identity):
    async def scenario():
        async with server(identity) as there, client(there) as socket:
            await begin(socket)
            await asyncio.wait_for(there.drain(0.1), 2)
            assert there.metrics.streams == 1

    run(scenario())


def test_ports_that_cannot_be_had(identity):
    async def scenario():
        async with server(identity) as there:
            taken = Settings(port=there.port, models=(str(identity.path),))
            with pytest.raises(ServeError, match=f"port {there.port} of 127.0.0.1 is taken.*another --port"):
                await Server(taken).__aenter__()
            apart = Settings(port=0, metrics_port=there.port, models=(str(identity.path),))
            with pytest.raises(ServeError, match="is taken"):
                await Server(apart).__aenter__()
            nowhere = Settings(
                host="no-such-host.invalid", port=0, insecure_no_token=True, models=(str(identity.path),)
            )
            with pytest.raises(ServeError, match=r"no-such-host.invalid cannot be listened at.*check --host"):
                await Server(nowhere).__aenter__()

    run(scenario())


def test_two_models_of_one_name(leaky, identity):
    with pytest.raises(ParameterError, match="two models are called 'tiny'"):
        Server(Settings(port=0, models=(str(leaky.path), str(identity.path))))
