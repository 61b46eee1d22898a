"""Hazard: a load test that holds what does not hold, or counts something else. No speed is asserted here."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import time

import numpy as np
import pytest
from serving import run, server, until, url

from benchmarks import serve, serve_clients
from rtdenoise import Denoiser
from rtdenoise.files.pcm import S16LE, decode, encode


@pytest.mark.skipif(not hasattr(serve.os, "sched_getaffinity"), reason="what it watches is on Linux only")
def test_the_command_measures_and_says_whether_it_holds(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(serve, "keep_to", lambda process, ours: None)  # tests leave cores to others
    monkeypatch.setattr(serve, "PROMISED_STREAMS", 2)
    monkeypatch.setattr(serve, "PROMISED_P99_MS", 60_000.0)
    monkeypatch.setattr(serve, "_WARM_UP_CONNECTS", 12)
    file = tmp_path / "serve.json"
    options = ["--seconds", "0.5", "--hold-seconds", "0.5", "--streams", "1", "--streams", "3", "--connects", "24"]
    assert serve.main([*options, "--stubborn", "0", "--json", str(file)]) == 0
    text, found = capsys.readouterr().out, json.loads(file.read_text())
    assert "the most that held: **3**" in text
    assert "Leaks: none" in text
    assert [(row["streams"], row["exact"], row["holds"]) for row in found["scan"]] == [(1, True, True), (3, True, True)]
    assert found["held"]["streams"] == 2
    assert 0 < found["held"]["p50_ms"] <= found["held"]["p99_ms"] <= found["held"]["max_ms"]
    trouble = found["trouble"]
    assert trouble["before"] | {"mb": 0} == trouble["after"] | {"mb": 0}
    assert trouble["errors"] == {"disconnected": 6, "garbage": 6, "odd_bytes": 6, "protocol": 6}
    assert trouble["exit_code"] == trouble["failed"] == 0
    assert serve.as_text(found) in text  # what is written later is made of the file


def expected_digest(streams, seconds):
    samples, denoiser = decode(serve_clients.sound(0, streams, seconds), S16LE), Denoiser(16000)
    out = np.concatenate([denoiser.process(samples), denoiser.flush()])
    return len(out), hashlib.sha256(encode(out, S16LE)).hexdigest()


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"delays": [0.001] * 95 + [0.04] * 5}, False),
        ({"digest": "another"}, False),
        ({"failures": ["OSError: gone"]}, False),
        ({"samples": [1, 2]}, False),
        ({"delays": [], "samples": [], "digest": None}, False),
    ],
)
def test_what_holds(change, holds):
    samples, digest = expected_digest(2, 0.5)
    found = {"delays": [0.001] * 100, "late": [0.0] * 100, "samples": [samples] * 2, "digest": digest, "failures": []}
    row = serve.summary(2, 0.5, 320, found | change, 0.1)
    assert row["holds"] is holds
    assert row["cpu"] == 0.2


def test_what_leaks():
    before = {"files": 9.0, "tasks": 3.0, "mb": 200.0}
    assert serve.leaked(before, before) == {}
    assert serve.leaked(before, {"files": 8.0, "tasks": 3.0, "mb": 200.0 + serve.ALLOWED_MB}) == {}
    assert serve.leaked(before, {"files": 10.0, "tasks": 5.0, "mb": 300.0}) == {"files": 1.0, "tasks": 2.0, "mb": 100.0}


def test_paced_clients_keep_their_pace_and_time_each_block(identity):
    async def scenario():
        async with server(identity) as there:
            begun = time.perf_counter()
            one = await serve_clients.paced(url(there), 0, 1, 1.0, 320, begun + 0.1)
            return one, time.perf_counter() - begun

    one, seconds = run(scenario())
    assert len(one["delays"]) == len(one["late"]) == 50
    assert all(0 < delay < 30 for delay in one["delays"])
    assert min(one["late"]) >= 0
    assert seconds > 1.05
    assert one["samples"] == 16000 + 256


def test_a_server_that_is_slow_is_seen(identity, monkeypatch):
    process = Denoiser.process

    def slow(self, samples):
        time.sleep(0.05)
        return process(self, samples)

    async def scenario():
        async with server(identity) as there:
            monkeypatch.setattr(Denoiser, "process", slow)
            return await serve_clients.paced(url(there), 0, 1, 0.3, 1600, time.perf_counter())

    assert min(run(scenario())["delays"]) > 0.05


def test_stubborn_clients_are_ended_by_the_server_and_say_so(identity):
    async def scenario():
        async with server(identity, limits={"speed": 1e9, "stuck": 0.3, "silence": 0.3}) as there:
            ended = await asyncio.gather(serve_clients.deaf(url(there), 20), serve_clients.absent(url(there), 20))
            await until(lambda: not there._connections)
            return ended, dict(there.metrics.errors)

    assert run(scenario()) == ([True, True], {"slow_reader": 1, "unresponsive": 1})


def test_stubborn_clients_that_are_kept_say_so_too(identity):
    async def scenario():
        async with server(identity) as there:
            return await asyncio.gather(serve_clients.deaf(url(there), 0.5), serve_clients.absent(url(there), 0.5))

    assert run(scenario()) == [False, False]


def test_a_server_that_does_not_start_is_one_line_and_exit_code_1(monkeypatch, capsys):
    monkeypatch.setattr(serve, "keep_to", lambda process, ours: None)
    monkeypatch.setattr(serve.sys, "executable", shutil.which("false") or pytest.skip("no such program here"))
    assert serve.main(["--connects", "0"]) == 1
    assert "error: the server did not start" in capsys.readouterr().err


def test_clients_that_fail_are_an_error(monkeypatch):
    monkeypatch.setattr(serve, "keep_to", lambda process, ours: None)
    with pytest.raises(RuntimeError, match="failed with exit code 1"):
        serve.result_of(serve.start_clients(kind="unknown"))
