"""Hazard: one client takes more than its share: of streams, time, memory, or of everybody's patience."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from serving import HELLO, begin, client, end, expected, fetch, refusal, run, server, stream, until
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rtdenoise.errors import ParameterError
from rtdenoise.files.pcm import S16LE, encode
from rtdenoise.serve import server as server_module
from rtdenoise.serve.settings import Limits, Settings

pytestmark = pytest.mark.alone


def test_no_more_streams_than_there_is_room_for(identity):
    async def scenario():
        async with (
            server(identity, limits={"clients": 2}) as there,
            client(there) as first,
            client(there) as second,
            client(there) as third,
        ):
            await begin(first)
            await begin(second)
            await third.send(json.dumps(HELLO))
            reason, text, code = await refusal(third)
            assert (reason, code) == ("full", 1013)
            assert "2 streams" in text
            assert json.loads((await fetch(there, "/health"))[1])["streams"] == 2
            await end(first)
            async with client(there) as fourth:  # there is room again
                assert (await begin(fourth))["type"] == "ready"
                await end(fourth)
            await end(second)

    run(scenario())


def test_connections_without_a_stream_are_bounded_too(identity, monkeypatch):
    monkeypatch.setattr(server_module, "SPARE_CONNECTIONS", 8)

    async def scenario():
        async with server(identity, limits={"clients": 1}) as there:
            sockets = [await client(there) for _ in range(5)]
            with pytest.raises(InvalidStatus) as caught:
                await client(there)
            assert caught.value.response.status_code == 503
            plain = [await asyncio.open_connection("127.0.0.1", there.port) for _ in range(20)]
            await until(lambda: len(there._connections) <= 9)
            for _, writer in plain:
                writer.close()
            for socket in sockets:
                await socket.close()
            await until(lambda: not there._connections)
            await stream(there, bytes(320), [])

    run(scenario())


def test_who_says_nothing_is_ended(identity):
    async def scenario():
        async with server(identity, limits={"hello": 0.3, "idle": 0.3}) as there:
            async with client(there) as late, client(there) as idle:
                await begin(idle)
                await idle.send(bytes(2))
                hello, nothing = await asyncio.gather(refusal(late), refusal(idle))
                reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
                assert await asyncio.wait_for(reader.read(), 5) == b""  # not even a request
                writer.close()
            assert there.metrics.errors == {"hello_timeout": 1, "idle": 1}
            return hello, nothing

    hello, nothing = run(scenario())
    assert hello == ("hello_timeout", "no hello came within 0.3 s", 1008)
    assert nothing == ("idle", "nothing came for 0.3 s", 1008)


def test_who_is_too_fast_is_slowed_down_and_gets_it_all(identity, noise):
    """Twice real time, after the two seconds that everybody may be ahead."""
    data = encode(noise(16000 * 4), S16LE)

    async def scenario():
        async with server(identity, limits={"speed": 2.0}) as there:
            begun = time.monotonic()
            out = await stream(there, data, list(range(16000, len(data), 16000)))
            begun_small = time.monotonic()
            await stream(there, data[:2000], list(range(2, 2000, 2)))  # a message of a sample counts as 1 ms
            return out, begun_small - begun, time.monotonic() - begun_small

    out, seconds, small = run(scenario())
    assert out == expected(identity, data)
    # 8 blocks of half a second last 2 s at double speed; the last of them has not to be waited for.
    assert seconds < 3
    assert small < 2

    async def longer():
        async with server(identity, limits={"speed": 2.0}) as there:
            begun = time.monotonic()
            await stream(there, data * 2, list(range(16000, 2 * len(data), 16000)))
            return time.monotonic() - begun

    assert 1.9 < run(longer()) < 5


def test_a_message_counts_as_some_sound(identity):
    """Else empty messages would be for nothing."""

    async def scenario():
        async with server(identity, limits={"speed": 1.0}) as there, client(there) as socket:
            await begin(socket)
            begun = time.monotonic()
            for _ in range(2500):
                await socket.send(b"")
                await socket.recv()
            return time.monotonic() - begun

    assert run(scenario()) > 0.45


def test_who_does_not_read_is_stopped_then_dropped_and_others_go_on(identity, leaky, speechlike):
    data = encode(speechlike(16000), S16LE)

    async def flood(there):
        """As much as the server takes, up to 30 MB; nothing of it is read."""
        async with client(there, max_queue=1, close_timeout=0.1) as socket:
            await begin(socket)
            sent = 0
            try:
                while sent < 30e6:
                    await asyncio.wait_for(socket.send(bytes(65536)), 10)
                    sent += 65536
            except ConnectionClosed:
                pass
            return sent

    async def scenario():
        told = []
        async with server(leaky, told=told, limits={"speed": 1e9, "stuck": 0.5}) as there:
            flooding = asyncio.ensure_future(flood(there))
            outs = [await stream(there, data, list(range(640, len(data), 640))) for _ in range(3)]
            sent = await flooding
            await until(lambda: there.metrics.streams == 0)
            return outs, sent, dict(there.metrics.errors), told

    outs, sent, errors, told = run(scenario())
    assert outs == 3 * [expected(leaky, data)]
    assert sent < 20e6
    assert errors == {"slow_reader": 1}
    assert "took nothing for 0.5 s" in told[0]


def test_half_open_connections_are_found(identity):
    """Nobody answers at the other end, neither to sound nor to a ping; who answers may be silent."""

    async def scenario():
        async with (
            server(identity, limits={"silence": 0.4, "idle": 60}) as there,
            client(there) as dead,
            client(there) as quiet,
        ):
            await begin(dead)
            await begin(quiet)
            dead.transport.pause_reading()
            await until(lambda: there.metrics.streams == 1)
            assert there.metrics.errors == {"unresponsive": 1}
            await asyncio.sleep(1.5)
            await quiet.send(bytes(320))
            assert len(await quiet.recv()) >= 320
            await end(quiet)
            dead.transport.abort()

    run(scenario())


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"clients": 0}, "clients=0.*1 or more"),
        ({"block": 0}, "block=0.*1 or more"),
        ({"speed": 0.5}, "speed=0.5.*real time"),
        ({"speed": float("nan")}, "speed=nan"),
        ({"hello": 0}, "hello=0.*more than 0"),
        ({"idle": -1}, "idle=-1"),
        ({"stuck": 0}, "stuck=0"),
        ({"silence": float("nan")}, "silence=nan"),
    ],
)
def test_limits_that_are_none(limits, says):
    with pytest.raises(ParameterError, match=says):
        Limits(**limits)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"port": 65536}, "port=65536.*0 to 65535"),
        ({"metrics_port": -1}, "metrics_port=-1"),
        ({"port": 9000, "metrics_port": 9000}, "metrics_port=9000 is the port itself"),
        ({"workers": 0}, "workers=0.*one a core"),
        ({"models": ()}, "nothing to denoise with"),
    ],
)
def test_settings_that_are_none(settings, says):
    with pytest.raises(ParameterError, match=says):
        Settings(**settings)
