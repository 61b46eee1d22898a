"""Hazard: a client that errs is not told what is wrong, or others notice."""

from __future__ import annotations

import asyncio
import json

import pytest
from serving import HELLO, begin, client, expected, refusal, run, server, stream, until

from rtdenoise.files.pcm import S16LE, encode
from rtdenoise.serve.messages import LONGEST_TEXT


def hello(**changes):
    return json.dumps({key: value for key, value in (HELLO | changes).items() if value != "left out"})


BAD_HELLOS = [
    (b"\0\0" * 160, "unexpected_binary", 1003, ["hello in JSON", "sample_rate"]),
    ("no JSON", "bad_hello", 1007, ["'no JSON'", "no JSON"]),
    ("[1, 2]", "bad_hello", 1007, ["'[1, 2]'", "object"]),
    ("[" * 4000, "bad_hello", 1007, ["no JSON"]),
    ("1" * 4000, "bad_hello", 1007, ["no JSON object"]),
    (" " * (LONGEST_TEXT + 1), "bad_hello", 1007, ["4097 characters", "4096"]),
    ('"\\ud800"', "bad_hello", 1007, ["no JSON object"]),
    (hello(type="bye"), "bad_hello", 1007, ["'bye'", "hello"]),
    (hello(sample_rate="left out"), "bad_hello", 1007, ["sample_rate is missing"]),
    (hello(format="left out"), "bad_hello", 1007, ["format is missing"]),
    (hello(format="mp3"), "bad_hello", 1007, ["'mp3'", "s16le or f32le"]),
    (hello(format=["s16le"]), "bad_hello", 1007, ["['s16le']", "s16le or f32le"]),
    (hello(sample_rate=1), "bad_hello", 1007, ["sample_rate=1 ", "4000 to 384000"]),
    (hello(sample_rate=16000.5), "bad_hello", 1007, ["16000.5", "4000 to 384000"]),
    (hello(sample_rate="16000"), "bad_hello", 1007, ["'16000'", "4000 to 384000"]),
    (hello(attenuation_limit_db=-3), "bad_hello", 1007, ["-3", "from 0 up"]),
    (hello(attenuation_limit_db="12"), "bad_hello", 1007, ["'12'", "from 0 up"]),
    (hello(bypass=1), "bad_hello", 1007, ["bypass=1", "true or false"]),
    (hello(overlap=0.5), "bad_hello", 1007, ["overlap=0.5", "has none"]),
    (hello(model=7), "bad_hello", 1007, ["model has to be a text"]),
    (hello(model="../../etc/passwd"), "bad_hello", 1007, ["'../../etc/passwd'", "give tiny"]),
    (hello(token=7), "bad_hello", 1007, ["token has to be a text"]),
    (hello(samplerate=8000), "bad_hello", 1007, ["'samplerate'", "sample_rate, format"]),
]

BAD_MESSAGES = [
    (b"\0", "odd_bytes", 1007, ["block of 1 bytes", "has 2"]),
    (b"\0" * 641, "odd_bytes", 1007, ["block of 641 bytes"]),
    (b"\0" * 2002, "block_too_long", 1009, ["1001 samples", "1000 are the most"]),
    ("AAAA", "bad_message", 1007, ["'AAAA'", "binary"]),
    ("{}", "bad_message", 1007, ["type=None", '"set" or "end"']),
    ('{"type": "start"}', "bad_message", 1007, ["'start'", '"set" or "end"']),
    ('{"type": "set", "limit": 3}', "bad_message", 1007, ["'limit'", "attenuation_limit_db, bypass"]),
    ('{"type": "set", "bypass": null}', "bad_message", 1007, ["bypass=None", "true or false"]),
    ('{"type": "set", "attenuation_limit_db": 1e999}', "bad_message", 1007, ["inf", "from 0 up"]),
    ('{"type": "end", "now": true}', "bad_message", 1007, ["'now'"]),
]


def check(answer, reason, code, fragments):
    assert (answer[0], answer[2]) == (reason, code), answer
    for fragment in fragments:
        assert fragment in answer[1]


def test_bad_hellos(identity):
    """All of them over one server, at once."""

    async def one(there, message):
        async with client(there) as socket:
            await socket.send(message)
            return await refusal(socket)

    async def scenario():
        async with server(identity) as there:
            answers = await asyncio.gather(*(one(there, message) for message, *_ in BAD_HELLOS))
            return answers, there.metrics

    answers, metrics = run(scenario())
    for answer, (_, *wanted) in zip(answers, BAD_HELLOS, strict=True):
        check(answer, *wanted)
    assert metrics.errors.total() == len(BAD_HELLOS)
    assert metrics.streams == 0


def test_bad_messages_beside_good_streams(leaky, speechlike):
    """Whoever errs is ended; the streams beside them come out as if alone."""
    data = encode(speechlike(16000), S16LE)
    told = []

    async def one(there, message):
        async with client(there) as socket:
            await begin(socket)
            await socket.send(message)
            return await refusal(socket)

    async def scenario():
        async with server(leaky, told=told, limits={"speed": 1e9, "block": 1000}) as there:
            good = [stream(there, data, list(range(640, len(data), 640))) for _ in range(3)]
            bad = [one(there, message) for message, *_ in BAD_MESSAGES]
            return await asyncio.gather(*good, *bad)

    (*good,) = run(scenario())
    for answer, (_, *wanted) in zip(good[3:], BAD_MESSAGES, strict=True):
        check(answer, *wanted)
    assert good[:3] == 3 * [expected(leaky, data)]
    assert len(told) == len(BAD_MESSAGES)
    assert all(text.startswith("127.0.0.1:") for text in told)


@pytest.mark.parametrize(
    ("message", "code"),
    [(b"\0" * 8001, 1009), ("\ud800".encode("utf-16", "surrogatepass"), 1007)],
    ids=["too large to be read", "no UTF-8"],
)
def test_what_the_library_itself_ends(identity, message, code):
    async def scenario():
        async with server(identity, limits={"block": 1000}) as there, client(there) as socket:
            await begin(socket)
            await socket.send(message, text=code == 1007)
            reason = await refusal(socket)
            await until(lambda: bool(there.metrics.errors))
            return reason, dict(there.metrics.errors)

    (reason, _, closed), errors = run(scenario())
    assert (reason, closed) == ("", code)
    assert errors == {"protocol": 1}
