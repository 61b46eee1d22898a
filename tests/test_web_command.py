"""Hazard: the command leaves a port, a folder or a traceback behind, or cannot be ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

pytest.importorskip("uvicorn")
from command_line import COMMAND, interrupt, refused, run, start

from rtdenoise.commands import web
from rtdenoise.commands.reporter import Reporter
from rtdenoise.errors import RtdenoiseError
from rtdenoise.web.errors import WebError
from rtdenoise.web.server import PageServer

pytestmark = pytest.mark.alone


def folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("rtdenoise-web-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_address_and_the_end(number):
    before = folders()
    process = start("web", "--port", "0", "--no-browser")
    address = process.stdout.readline().decode()
    assert address.startswith("http://127.0.0.1:")
    assert "/?token=" in address
    begun = time.monotonic()
    outcome = interrupt(process, number)
    assert outcome.code == 130
    assert time.monotonic() - begun < 8
    assert "Traceback" not in outcome.err
    assert len(outcome.err.split("\n")) == 3  # click goes to a new line after ^C
    assert folders() <= before


def test_the_end_does_not_wait_for_open_pages():
    from websockets.sync.client import connect

    process = start("web", "--port", "0", "--no-browser")
    address = process.stdout.readline().decode().strip()
    port = int(address.split(":")[2].split("/")[0])
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", address.removeprefix(f"http://127.0.0.1:{port}"))
    cookie = connection.getresponse().headers["set-cookie"].split(";")[0]
    origin = f"http://127.0.0.1:{port}"
    with connect(f"ws://127.0.0.1:{port}/api/live", origin=origin, additional_headers={"Cookie": cookie}) as page:
        page.recv(timeout=10)
        outcome = interrupt(process)
        assert outcome.code == 130
        assert "Traceback" not in outcome.err


def test_a_second_one_on_the_same_port():
    with PageServer() as server:
        outcome = run("web", "--no-browser", "--port", server.port)
        refused(outcome, 1, f"port {server.port} is taken", "another rtdenoise web", "--port 0")
        with pytest.raises(WebError, match=f"port {server.port} is taken"):
            PageServer(server.port)
    with PageServer(server.port) as again:  # at once, although connections of the first are hardly over
        assert again.port == server.port


def test_a_port_that_another_program_has():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        refused(run("web", "--no-browser", "--port", other.getsockname()[1]), 1, "is taken")


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_ports_that_there_are_not(port):
    refused(run("web", "--port", port), 2, "--port")


@pytest.mark.skipif(os.name == "nt", reason="there is no such right there")
def test_a_port_that_is_forbidden(monkeypatch):
    def bind(self, address):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("rtdenoise.web.server.socket.socket.bind", bind)
    with pytest.raises(WebError, match=r"port 80 cannot be had \(Permission denied\)"):
        PageServer(80)


def test_without_its_packages_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(RtdenoiseError, match=r"needs uvicorn, .*pip install 'rtdenoise\[web\]'"):
        web.run_web(Reporter(), port=0, browser=False)
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['starlette'] = None\n")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parent.parent)])
    refused(run("web", env=os.environ | {"PYTHONPATH": path}), 1, "starlette", "pip install 'rtdenoise[web]'")


def test_other_commands_do_not_know_it():
    script = "import sys, rtdenoise.cli, rtdenoise.commands.live_job; print(*sys.modules)"
    loaded = subprocess.run([COMMAND[0], "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"starlette", "uvicorn", "websockets"} & set(loaded)


def test_options_of_the_main_job_do_not_go_with_it():
    refused(run("--input", "mic", "web"), 2, "--input does not go with 'web'")


def test_the_browser_is_opened_where_there_is_a_screen(monkeypatch):
    opened = []
    monkeypatch.setattr(web.webbrowser, "open", opened.append)
    monkeypatch.setattr(PageServer, "wait", lambda self: None)
    for screen, times in ((":0", 1), ("", 1)):
        monkeypatch.setenv("DISPLAY", screen)
        monkeypatch.setenv("WAYLAND_DISPLAY", "")
        monkeypatch.setattr(sys, "platform", "linux")
        web.run_web(Reporter(-1), port=0, browser=True)
        assert len(opened) == times
    assert "token=" in opened[0]
