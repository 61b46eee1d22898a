"""`rtdenoise serve` as users meet it: starts, serves, says what is wrong, and ends without cutting anybody off."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from command_line import Outcome, refused, run, start
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from rtdenoise import Denoiser
from rtdenoise.cli import _run
from rtdenoise.commands import serve
from rtdenoise.commands.reporter import Reporter
from rtdenoise.errors import RtdenoiseError
from rtdenoise.files.pcm import S16LE, decode, encode
from rtdenoise.serve.server import Server
from rtdenoise.serve.settings import Limits, Settings

pytestmark = pytest.mark.alone

signals = pytest.mark.skipif(sys.platform == "win32", reason="no signal ends a process gently there")


class Running:
    """The command, from its first line to its end."""

    def __init__(self, *arguments: str | Path, **options) -> None:
        self.process = start("serve", "--port", "0", *arguments, **options)
        self.lines = [self.process.stderr.readline().decode() for _ in range(2)]
        found = re.search(r"ws://([\d.]+:\d+)", self.lines[0])
        assert found, self.lines
        self.address = found[1]

    def connect(self, **options):
        return connect(f"ws://{self.address}", compression=None, **options)

    def end(self, *numbers: int) -> tuple[int, str]:
        """Send these signals; exit code, and what it said."""
        for number in numbers:
            self.process.send_signal(number)
            time.sleep(0.2)
        err = self.process.communicate(timeout=30)[1].decode()
        assert "Traceback" not in err
        return self.process.returncode, err


@pytest.fixture
def running(leaky):
    """With a model that is loaded at once; ended whatever happens."""
    begun = []

    def begin(*arguments, **options):
        begun.append(Running("--model", leaky.path, *arguments, **options))
        return begun[-1]

    yield begin
    for one in begun:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


@signals
def test_a_stream_through_the_command_and_its_end_by_sigterm(running, leaky, noise):
    there = running("--workers", "1")
    assert re.fullmatch(
        r"rtdenoise: serving ws://127\.0\.0\.1:\d+, model tiny 1\.0, 1 compute thread, up to 200 streams, "
        r"no token needed\n",
        there.lines[0],
    )
    assert re.search(r"http://127\.0\.0\.1:\d+/metrics and /health; Ctrl\+C ends", there.lines[1])
    data = encode(noise(5000), S16LE)
    with there.connect() as socket:
        socket.send('{"sample_rate": 16000, "format": "s16le"}')
        assert json.loads(socket.recv())["latency"] == 256
        socket.send(data)
        out = socket.recv()
        socket.send('{"type": "end"}')
        out += socket.recv()
        socket.recv()
        with pytest.raises(ConnectionClosed):
            socket.recv()
    denoiser, samples = Denoiser(16000, leaky), decode(data, S16LE)
    assert out == encode(np.concatenate([denoiser.process(samples), denoiser.flush()]), S16LE)
    code, err = there.end(signal.SIGTERM)
    assert code == 0
    assert err == "rtdenoise: ended; 1 streams, 0.3 s of sound, 0 cut off\n"


@signals
def test_streams_may_end_after_sigterm(running):
    there = running("--drain", "20")
    with there.connect() as socket:
        socket.send('{"sample_rate": 16000, "format": "s16le"}')
        socket.recv()
        there.process.send_signal(signal.SIGTERM)
        assert json.loads(socket.recv()) == {"type": "draining", "seconds": 20.0}
        with pytest.raises(urllib.error.HTTPError) as health:
            urllib.request.urlopen(f"http://{there.address}/health", timeout=10)
        assert health.value.code == 503
        assert json.load(health.value)["status"] == "draining"
        socket.send(bytes(640))
        assert len(socket.recv()) >= 640
        assert there.process.poll() is None
        socket.send('{"type": "end"}')
        socket.recv()
    code, err = there.end()
    assert code == 0
    assert "no new streams; 1 may go on for up to 20 s" in err
    assert "0 cut off" in err


@signals
@pytest.mark.parametrize(("numbers", "drain"), [((signal.SIGINT,), "0.2"), ((signal.SIGINT, signal.SIGINT), "60")])
def test_ctrl_c_and_the_second_one_of_the_impatient(running, numbers, drain):
    there = running("--drain", drain)
    with there.connect() as socket:
        socket.send('{"sample_rate": 16000, "format": "s16le"}')
        socket.recv()
        for number in numbers:
            there.process.send_signal(number)
            time.sleep(0.1)
        socket.recv()
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
        assert closed.value.rcvd.code == 1001
    code, err = there.end()
    assert code == 130
    assert "1 cut off" in err


@signals
def test_nothing_to_wait_for(running):
    code, err = running().end(signal.SIGINT)
    assert (code, err) == (130, "rtdenoise: ended; 0 streams, 0.0 s of sound, 0 cut off\n")


def test_a_second_one_on_the_same_port(running, leaky):
    port = running().address.split(":")[1]
    second = run("serve", "--port", port, "--model", leaky.path)
    refused(second, 1, f"port {port} of 127.0.0.1 is taken", "another rtdenoise serve", "--port")


def test_the_token_from_the_environment(running):
    there = running(env=os.environ | {"RTDENOISE_TOKEN": "let-me-in"})
    assert "token needed" in there.lines[0]
    assert "let-me-in" not in "".join(there.lines)
    with there.connect(additional_headers={"Authorization": "Bearer let-me-in"}) as socket:
        socket.send('{"sample_rate": 8000, "format": "f32le"}')
        assert json.loads(socket.recv())["type"] == "ready"
    with there.connect() as socket:
        socket.send('{"sample_rate": 8000, "format": "f32le"}')
        assert json.loads(socket.recv())["reason"] == "unauthorised"


@pytest.mark.parametrize(
    ("arguments", "code", "fragments"),
    [
        (["--host", "::"], 2, ["host ::", "RTDENOISE_TOKEN", "--insecure-no-token"]),
        (["--token", "two words"], 2, ["--token", "one word", "openssl rand"]),
        (["--token-file", "nowhere"], 2, ["--token-file nowhere", "No such file"]),
        (["--tls-cert", "nowhere.pem"], 2, ["both a certificate and its key"]),
        (["--tls-cert", "nowhere.pem", "--tls-key", "nowhere.pem"], 2, ["nowhere.pem cannot be read"]),
        (["--port", "70000"], 2, ["70000 is not in", "0<=x<=65535"]),
        (["--metrics-port", "8765"], 2, ["metrics_port=8765 is the port itself"]),
        (["--max-speed", "0.5"], 2, ["--max-speed", "x>=1"]),
        (["--workers", "0"], 2, ["--workers", "x>=1"]),
        (["--idle-timeout", "soon"], 2, ["'soon'", "seconds above 0"]),
        (["--model", "nonsense"], 1, ["no model 'nonsense'", "stream"]),
        (["--host", "no-such-host.invalid", "--insecure-no-token"], 1, ["cannot be listened at", "check --host"]),
    ],
)
def test_wrong_usage(tmp_path, monkeypatch, capfd, arguments, code, fragments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RTDENOISE_TOKEN", raising=False)
    assert _run(["serve", *arguments], Reporter()) == code
    out, err = capfd.readouterr()
    refused(Outcome(code, out.encode(), err), code, *fragments)


def test_a_server_for_everybody_is_refused_from_outside_too():
    refused(run("serve", "--host", "0.0.0.0"), 2, "host 0.0.0.0", "--insecure-no-token")


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(serve.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RtdenoiseError, match=r"websockets, which is not installed: pip install 'rtdenoise\[serve\]'"):
        serve.run_serve(Reporter(), token=None, token_file=None, drain=1.0, limits={})


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_the_limit_of_open_files_is_raised_or_named(leaky, monkeypatch):
    import resource

    class Said(list):
        say = list.append

    there, said, limits = Server(Settings(models=(str(leaky.path),), limits=Limits(clients=500))), Said(), [256, 4096]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, new: limits.__setitem__(slice(None), new))
    serve._make_room(there, said)
    assert limits[0] >= 500 + 64
    assert not said
    limits[:] = [256, 300]
    serve._make_room(there, said)
    assert limits == [300, 300]
    assert re.search(r"only 300 files may be open.*ulimit -n \d+", said[0])


def test_what_asyncio_would_print_is_a_line(leaky, capfd):
    """Of sockets only for those who asked; of faults for everybody."""
    reporter = Reporter(1)
    there = Server(Settings(models=(str(leaky.path),)), report=lambda error: reporter.error(f"fault {error}", error))
    serve._note_stray({"message": "accept failed", "exception": OSError("no room")}, there, reporter)
    serve._note_stray({"message": "lost task", "exception": ZeroDivisionError("by what")}, there, reporter)
    serve._note_stray({"message": "only words"}, there, reporter)
    err = capfd.readouterr().err.splitlines()
    assert err == ["rtdenoise: accept failed: no room", "rtdenoise: fault by what", "rtdenoise: fault only words"]
