"""Hazard: what comes through the server is not, to the bit, what a Denoiser gives."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from serving import begin, client, end, expected, run, server, stream

from rtdenoise import Denoiser
from rtdenoise.files.pcm import F32LE, RAW_FORMATS, S16LE, decode, encode


@pytest.mark.parametrize("form", ["s16le", "f32le"])
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_any_rate_and_format_cut_anywhere(stateful, speechlike, rate, form):
    data = encode(speechlike(rate // 2, rate), RAW_FORMATS[form])
    width = RAW_FORMATS[form].width
    # Nothing, a sample, a hop and a bit, nothing, more than one turn of computing.
    cuts = [width * n for n in (0, 1, 1, 400, 400, 500, 3500)]

    async def scenario():
        async with server(stateful) as there:
            return await stream(there, data, cuts, sample_rate=rate, format=form)

    assert run(scenario()) == expected(stateful, data, rate, form)


def test_one_message_is_answered_by_one_of_what_is_ready(identity, noise):
    blocks = [encode(block, S16LE) for block in np.split(noise(1000), [0, 10, 127, 128, 129, 600])]
    denoiser = Denoiser(16000, identity)
    wanted = [encode(denoiser.process(decode(block, S16LE)), S16LE) for block in blocks]

    async def scenario():
        async with server(identity) as there, client(there) as socket:
            await begin(socket)
            for block in blocks:
                await socket.send(block)
            return [await socket.recv() for _ in blocks]

    assert run(scenario()) == wanted
    assert wanted[0] == b""


def test_the_answer_to_a_hello_says_all_that_a_client_needs(leaky):
    async def scenario():
        async with server(leaky, limits={"block": 1000}) as there, client(there) as socket:
            return await begin(socket, sample_rate=48000, attenuation_limit_db=12, bypass=True)

    answer, denoiser = run(scenario()), Denoiser(48000, leaky)
    assert answer.pop("version")
    assert answer == {
        "type": "ready",
        "latency": denoiser.latency,
        "hop": denoiser.hop_length,
        "sample_rate": 48000,
        "format": "s16le",
        "attenuation_limit_db": 12.0,
        "bypass": True,
        "model": leaky.name,
        "model_version": leaky.version,
        "max_block": 1000,
    }


def test_streams_at_once_do_not_mix(leaky, speechlike):
    """More of them than compute threads, each with a sound of its own, in blocks of other lengths."""
    sounds = [encode(speechlike(8000 + 100 * i, seed=i), S16LE) for i in range(12)]

    async def scenario():
        async with server(leaky) as there:
            lengths = [2 * (100 + 150 * i) for i in range(12)]
            cuts = [list(range(n, len(sound), n)) for n, sound in zip(lengths, sounds, strict=True)]
            return await asyncio.gather(*(stream(there, *one) for one in zip(sounds, cuts, strict=True)))

    assert run(scenario()) == [expected(leaky, sound) for sound in sounds]


def test_a_change_counts_from_the_next_block_on(leaky, noise):
    parts = np.split(0.3 * noise(9000), [3000, 6000])
    denoiser, wanted = Denoiser(16000, leaky), []
    for part, change in zip(parts, ({}, {"attenuation_limit_db": 6}, {"bypass": True}), strict=True):
        for name, value in change.items():
            setattr(denoiser, name, value)
        wanted.append(encode(denoiser.process(part), F32LE))
    wanted.append(encode(denoiser.flush(), F32LE))

    async def scenario():
        async with server(leaky) as there, client(there) as socket:
            await begin(socket, format="f32le")
            # Sent at once: the order of messages is what counts, not when they are read.
            await socket.send(encode(parts[0], F32LE))
            await socket.send('{"type": "set", "attenuation_limit_db": 6}')
            await socket.send(encode(parts[1], F32LE))
            await socket.send('{"type": "set", "bypass": true}')
            await socket.send(encode(parts[2], F32LE))
            answers = [await socket.recv() for _ in range(5)]
            assert [json.loads(answers[i]) for i in (1, 3)] == [
                {"type": "set", "attenuation_limit_db": 6.0, "bypass": False},
                {"type": "set", "attenuation_limit_db": 6.0, "bypass": True},
            ]
            return [*answers[::2], (await end(socket))[0]]

    assert run(scenario()) == wanted


def test_the_end_gives_the_tail_and_counts(identity, noise):
    async def scenario():
        async with server(identity) as there, client(there) as socket:
            latency = (await begin(socket))["latency"]
            await socket.send(encode(noise(777), S16LE))
            first = await socket.recv()
            tail, words = await end(socket)
            assert words == {"type": "end", "samples_in": 777, "samples_out": 777 + latency}
            return latency, first + tail

    latency, out = run(scenario())
    assert np.abs(decode(out, S16LE)[latency:] - noise(777)).max() < 2 / 2**15


def test_clients_choose_among_the_models_that_are_served(leaky, noise):
    data = encode(noise(2000), S16LE)

    async def scenario():
        async with server(leaky, "stream") as there:
            assert list(there.models) == [leaky.name, "stream"]
            return [await stream(there, data, [], model=name) for name in (None, leaky.name, "stream")]

    assert run(scenario()) == [expected(model, data) for model in (leaky, leaky, "stream")]
