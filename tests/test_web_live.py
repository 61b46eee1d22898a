"""Hazard: the page disturbs, loses or misunderstands the live sound that another process makes."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("uvicorn")
from command_line import COMMAND
from real_server import needs_server
from web_client import Client
from websockets.sync.client import connect

from rtdenoise.commands.attend import press
from rtdenoise.commands.reporter import Reporter
from rtdenoise.commands.steering import Steering
from rtdenoise.live.clock import SimulatedDevice, run_together
from rtdenoise.live.recorder import Recorder
from rtdenoise.live.session import Live
from rtdenoise.panel.orders import parse_order
from rtdenoise.panel.readings import Board, Key, Wish
from rtdenoise.panel.scope import Scope
from rtdenoise.web.errors import WebError
from rtdenoise.web.live import LiveProcess, Wanted
from rtdenoise.web.server import PageServer

pytestmark = pytest.mark.alone

RATE = 48000
ENDS = {"input": "fake microphone", "output": "fake speakers"}


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        (b'{"bypass": true}', [Wish("bypass", True)]),
        (b'{"muted": false, "recording": true}', [Wish("muted", False), Wish("recording", True)]),
        (b'{"attenuation_limit_db": 12.5}', [Wish("attenuation_limit_db", 12.5)]),
        (b'{"attenuation_limit_db": null}', [Wish("attenuation_limit_db", None)]),
        (b'{"quit": true}', [Key.QUIT]),
        *[(line, []) for line in (b"", b"{", b"7", b"[]", b'"bypass"', b"\xff\xfe", b'{"quit": 1}', b'{"model": "x"}')],
        *[(b'{"bypass": %s}' % value, []) for value in (b"1", b"null", b'"true"', b"[]")],
        *[(b'{"attenuation_limit_db": %s}' % value, []) for value in (b"-1", b"true", b"NaN", b"Infinity", b'"6"')],
    ],
)
def test_orders(line, meant):
    assert parse_order(line) == meant


def test_wishes_are_fulfilled_once(leaky, noise, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    device = SimulatedDevice(16000, noise(16000), paced=False)
    reporter = Reporter(-1)
    with Live(device, device, model=leaky) as live:
        for name in ("bypass", "muted", "recording"):
            for value in (True, True, False, False):
                press(Wish(name, value), live, reporter)
                assert getattr(live, name) is value
        press(Wish("attenuation_limit_db", 7), live, reporter)
        assert live.attenuation_limit_db == 7
        press(Wish("attenuation_limit_db", None), live, reporter)
        assert live.attenuation_limit_db is None


def test_orders_come_through_a_pipe_whole_and_its_end_is_the_end():
    ours, theirs = os.pipe()
    board = Board()
    steering = Steering(board, ours)
    assert steering.pressed() == []
    os.write(theirs, b'{"bypass": true}\nnonsense\n{"mut')
    assert steering.pressed() == [Wish("bypass", True)]
    assert steering.pressed() == []
    os.write(theirs, b'ed": true}\n')
    assert steering.pressed() == [Wish("muted", True)]
    os.write(theirs, b'{"quit": true}\n')
    os.close(theirs)
    assert steering.pressed() == [Key.QUIT]
    assert steering.pressed() == [Key.QUIT]
    os.close(ours)
    board.remove()


def test_a_scope_gives_what_was_written_once_and_in_order(noise):
    ours = Scope()
    theirs, late = Scope(ours.path), Scope(ours.path)
    sound, seen = noise(600000), []
    for begin in range(0, len(sound), 4999):
        ours.write(sound[begin : begin + 4999])
        if begin % 3 == 0:
            seen.append(theirs.read())
    seen.append(theirs.read())
    assert np.array_equal(np.concatenate(seen), sound)
    newest = late.read()
    assert 100000 < len(newest) < len(sound)
    assert np.array_equal(newest, sound[-len(newest) :])
    assert len(theirs.read()) == 0
    ours.remove()
    assert not ours.path.exists()


def test_onlookers_see_what_goes_in_and_out(identity, noise):
    recorder, seen = Recorder(), ([], [])
    recorder.input.onlooker, recorder.output.onlooker = (lambda s, i=i: seen[i].append(s.copy()) for i in (0, 1))
    sound = 0.1 * noise(16000)
    device = SimulatedDevice(16000, sound, paced=False)
    with Live(device, device, model=identity, recorder=recorder):
        run_together(1.0, device)
    before, after = (np.concatenate(blocks) for blocks in seen)
    assert np.array_equal(before[: len(sound)], sound[: len(before)])
    heard = device.heard[:, 0]
    begin = np.flatnonzero(heard)[0] - np.flatnonzero(after)[0]  # once the latency stands
    assert np.array_equal(after, heard[begin : begin + len(after)])


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ([], "as an object"),
        ({}, "None is not the name"),
        ({"input": "mic"}, "None is not the name"),
        ({"input": "", "output": "speakers"}, "'' is not the name"),
        ({"input": "mic", "output": 7}, "7 is not the name"),
        ({"input": "mic", "output": "a\nb"}, "is not the name"),
        ({"input": "mic", "output": "x" * 999}, "is not the name"),
        ({"input": "mic", "output": "speakers", "model": "/etc/passwd"}, "no model '/etc/passwd'"),
        ({"input": "mic", "output": "speakers", "latency": "none"}, "take low or high"),
        ({"input": "mic", "output": "speakers", "attenuation_limit_db": -1}, "attenuation limit -1"),
        ({"input": "mic", "output": "speakers", "attenuation_limit_db": "6"}, "attenuation limit '6'"),
        ({"input": "mic", "output": "speakers", "attenuation_limit_db": True}, "attenuation limit True"),
    ],
)
def test_what_cannot_be_started(wishes, words):
    with pytest.raises(WebError, match=words):
        Wanted.parse(wishes)


def test_no_device_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-", "/etc/passwd", "file:x.wav", "x.wav", "none", "--help", "~/x.wav"):
        arguments = Wanted.parse({"input": name, "output": name}).arguments()
        assert arguments.count(f"device:{name}") == 2
    arguments = Wanted.parse({"input": "virtual-speakers", "output": "speakers"}).arguments()
    assert "virtual-speakers" in arguments
    assert "speakers" in arguments


def test_what_the_machine_refuses_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    live = LiveProcess(tmp_path)
    with pytest.raises(WebError, match="No such file"):
        live.start(Wanted.parse(ENDS))
    assert live.ears() is None
    assert not live.running


@contextmanager
def page(environment: dict[str, str], folder: Path):
    """A page's server that finds a sound server, and a client."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
        patch.chdir(folder)
        with PageServer() as server:
            yield server, Client(server)


def until(socket, wanted, seconds: float = 20.0) -> dict:
    """The first state that is as wanted, and which sound came until then is forgotten."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        message = socket.recv(timeout=seconds)
        if isinstance(message, str) and wanted(state := json.loads(message)):
            return state
    raise AssertionError(state)


def levels(socket, seconds: float = 0.5) -> tuple[float, float]:
    """RMS in and out of the sound that comes from now on, the first half of it left out."""
    deadline, before, after = time.monotonic() + seconds, [], []
    while time.monotonic() < deadline:
        message = socket.recv(timeout=5)
        if isinstance(message, bytes):
            lengths = struct.unpack("<II", message[:8])
            sound = np.frombuffer(message, "<f4", offset=8)
            assert len(sound) == sum(lengths)
            before.append(sound[: lengths[0]])
            after.append(sound[lengths[0] :])
    sounds = [np.concatenate(blocks) for blocks in (before, after)]
    assert all(len(sound) > 0.3 * seconds * RATE for sound in sounds)
    return tuple(float(np.sqrt(np.mean(sound[len(sound) // 2 :] ** 2))) for sound in sounds)


def playing(server) -> int:
    """How many programs play something."""
    return server.pactl("list", "short", "sink-inputs").count("protocol-native")


def socket_of(client):
    uri = f"ws://127.0.0.1:{client.port}/api/live"
    return connect(uri, origin=client.origin, additional_headers={"Cookie": client.cookie}, close_timeout=0.2)


@needs_server
@pytest.mark.timeout(120)
def test_a_whole_session(server, tmp_path, noise):
    hiss = 0.1 * noise(80 * RATE)
    server.start_playing(hiss, "microphone")
    loud = 0.1 / np.sqrt(3)
    with page(server.environment, tmp_path) as (_, client):
        devices = client.ask("GET", "/api/devices").json
        assert ENDS["input"] in devices["input"]
        assert ENDS["output"] in devices["output"]
        with socket_of(client) as socket, socket_of(client) as second:
            assert not until(socket, lambda state: True)["running"]
            assert client.ask("POST", "/api/live", json.dumps(ENDS)).status == 200
            state = until(socket, lambda state: state["readings"] and state["readings"]["seconds"] > 1)
            assert state["readings"]["source"] == ENDS["input"]
            assert state["readings"]["sample_rate"] == state["readings"]["sink_rate"] == RATE
            assert 20 < state["readings"]["latency_ms"] < 200
            assert "latency" in state["readings"]["messages"][0]
            before, after = levels(socket)
            assert before == pytest.approx(loud, rel=0.05)
            assert after < 0.5 * loud

            socket.send(json.dumps({"bypass": True}))
            until(second, lambda state: (state["readings"] or {}).get("bypass"))  # every page sees what one does
            assert levels(socket, 1.0)[1] == pytest.approx(loud, rel=0.05)
            for nonsense in ("", "{", "[]", b"\x00\xff", json.dumps({"quit": True}), json.dumps({"bypass": 3})):
                socket.send(nonsense)
            socket.send(json.dumps({"bypass": False, "attenuation_limit_db": 6}))
            until(socket, lambda state: state["readings"]["attenuation_limit_db"] == 6)
            assert 0.4 * loud < levels(socket, 1.0)[1] < 0.65 * loud
            socket.send(json.dumps({"muted": True}))
            until(socket, lambda state: state["readings"]["muted"])
            assert levels(socket, 1.0)[1] == 0
            socket.send(json.dumps({"recording": True}))
            until(socket, lambda state: state["readings"]["recording"])
            time.sleep(0.5)

            answer = client.ask("DELETE", "/api/live").json
            assert not answer["running"]
            assert not answer["failed"]
            assert any("recording ended" in line for line in answer["told"])
            assert any("underruns" in line for line in answer["told"])
        assert len(list(tmp_path.glob("rtdenoise-*.flac"))) == 2


@needs_server
@pytest.mark.timeout(120)
def test_a_run_that_dies_and_one_that_cannot_begin(server, tmp_path):
    with page(server.environment, tmp_path) as (page_server, client), socket_of(client) as socket:
        client.ask("POST", "/api/live", json.dumps(ENDS))
        until(socket, lambda state: state["readings"])
        os.kill(page_server.live._process.pid, signal.SIGKILL)
        state = until(socket, lambda state: not state["running"])
        assert state["failed"]
        client.ask("POST", "/api/live", json.dumps(ENDS | {"input": "no such microphone"}))
        state = until(socket, lambda state: not state["running"] and state["generation"] == 2)
        assert state["failed"]
        assert "no input device is called 'no such microphone'" in state["told"][-1]
        assert client.ask("POST", "/api/live", "nonsense").status == 400


class Elsewhere:
    """`rtdenoise web` as a process of its own, as `Client` wants a server."""

    def __init__(self, environment: dict[str, str]) -> None:
        command = [*COMMAND, "web", "--port", "0", "--no-browser"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        self.address = self.process.stdout.readline().decode().strip()
        self.port = int(self.address.split(":")[2].split("/")[0])


@needs_server
@pytest.mark.timeout(120)
def test_the_sound_waits_for_nobody_and_is_not_left_behind(server, noise, tmp_path):
    """The page's server hangs: the sound goes on. It is killed: the sound ends, since nobody could end it any more."""
    before = shared_memory()
    page_server = Elsewhere(server.environment | {"TMPDIR": str(tmp_path)})
    server.start_playing(0.1 * noise(40 * RATE), "microphone")
    client = Client(page_server)
    with socket_of(client) as socket:
        client.ask("POST", "/api/live", json.dumps(ENDS | {"attenuation_limit_db": 6}))
        until(socket, lambda state: state["readings"] and state["readings"]["seconds"] > 1)
        assert playing(server) == 1
        page_server.process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        with server.recording("speakers.monitor") as recorded:
            time.sleep(1.5)
        assert np.mean(recorded[0] != 0) > 0.9  # a busy machine has gaps
        page_server.process.kill()
        page_server.process.wait()
    deadline = time.monotonic() + 10
    while playing(server) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert playing(server) == 0
    while shared_memory() - before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert shared_memory() <= before


def shared_memory() -> set[Path]:
    return {path for kind in ("panel", "scope") for path in Path("/dev/shm").glob(f"rtdenoise-*.{kind}")}
