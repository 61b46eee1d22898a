"""Hazards where no virtual device can be had: nothing is said, or nothing that helps."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from command_line import refused, run
from real_server import REASON, needs_server, start_server

from rtdenoise.commands.endpoints import Endpoint, parse_source, parse_target
from rtdenoise.errors import DeviceError, ParameterError
from rtdenoise.live import virtual
from rtdenoise.live.virtual import VirtualDevice
from rtdenoise.live.virtual_modules import MICROPHONE, PLANS, SPEAKERS

pytestmark = pytest.mark.live

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a cable is looked for")


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No sound server."""
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nobody")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@linux_only
@pytest.mark.parametrize("word", PLANS)
def test_without_a_server_there_is_no_virtual_device(nowhere, word):
    refused(run(word, "create"), 1, "no PulseAudio or PipeWire answers here", "systemctl --user start pipewire-pulse")
    for attempt in (virtual.create, virtual.remove, virtual.status, lambda plan: VirtualDevice(plan).find()):
        with pytest.raises(DeviceError, match=r"no PulseAudio or PipeWire answers here"):
            attempt(PLANS[word])
    if word == MICROPHONE.word:
        refused(run("--input", "mic", "--output", word), 1, "no PulseAudio or PipeWire answers here")


@linux_only
def test_without_pulsectl_it_is_asked_for(nowhere, monkeypatch):
    monkeypatch.setitem(sys.modules, "pulsectl", None)
    with pytest.raises(DeviceError, match=r"needs? the Python package pulsectl.*pip install pulsectl"):
        virtual.status(MICROPHONE)


@linux_only
def test_without_the_library_of_pulseaudio_it_is_asked_for(nowhere, monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "pulsectl", raising=False)
    (tmp_path / "pulsectl.py").write_text("raise OSError('libpulse.so.0: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DeviceError, match=r"PulseAudio's library, which is not installed"):
        virtual.status(MICROPHONE)


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["--input", "virtual-mic", "--output", "x.wav"], ["sound goes in there", "--output virtual-mic"]),
        (["--input", "mic", "--output", "virtual-speakers"], ["sound comes out of there", "--input virtual-speakers"]),
        (["virtual-mic", "make"], ["'make' is not one of 'create', 'remove', 'status'"]),
        (["virtual-speakers"], ["Missing argument"]),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(arguments, fragments):
    refused(run(*arguments), 2, *fragments)


def test_each_end_is_for_one_direction():
    assert parse_target("virtual-mic") == Endpoint("virtual", "virtual-mic")
    assert parse_source("virtual-speakers") == Endpoint("virtual", "virtual-speakers")
    assert parse_target("device:virtual-mic") == Endpoint("device", "virtual-mic")
    with pytest.raises(ParameterError, match=r"sound goes in there"):
        parse_source("virtual-mic")
    with pytest.raises(ParameterError, match=r"sound comes out of there"):
        parse_target("virtual-speakers")


@pytest.fixture
def strict(monkeypatch):
    """A server that loads no modules, as administrators may want it."""
    assert REASON is None, REASON
    folder = tempfile.mkdtemp(prefix="rtd")  # short: a socket's path has 108 bytes at most
    command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes"]
    socket = f"unix:{folder}/socket"
    monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
    monkeypatch.setenv("PULSE_SERVER", socket)
    process = subprocess.Popen(
        [
            *command,
            "--disallow-module-loading=yes",
            "-L",
            f"module-native-protocol-unix auth-anonymous=1 socket={folder}/socket",
            "-L",
            "module-null-sink",
        ],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while subprocess.run(["pactl", "info"], capture_output=True).returncode and time.monotonic() < deadline:
        time.sleep(0.1)
    yield process
    process.kill()
    process.wait()
    shutil.rmtree(folder)


@needs_server
def test_a_server_that_loads_no_modules_and_one_that_dies(strict):
    for plan in (MICROPHONE, SPEAKERS):
        with pytest.raises(DeviceError, match=r"refuses to load module-null-sink.*journalctl"):
            VirtualDevice(plan).find()
    with pytest.raises(DeviceError, match=r"refuses to load module-null-sink"):
        virtual.create(MICROPHONE)
    assert not virtual.remove(MICROPHONE)
    with pytest.raises(DeviceError, match=r"sound server has gone.*try again"), virtual._server() as connection:  # noqa: PT012
        strict.send_signal(signal.SIGKILL)
        strict.wait()
        connection.server_info()


@linux_only
def test_two_at_a_time_wait_for_each_other_but_not_for_ever(nowhere, tmp_path, monkeypatch):
    monkeypatch.setattr(virtual, "_LOCK_SECONDS", 0.1)
    with (tmp_path / f"rtdenoise-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DeviceError, match=r"another rtdenoise has been changing virtual devices for 0\.1 s"):
            virtual.create(MICROPHONE)
    with pytest.raises(DeviceError, match=r"no PulseAudio or PipeWire"):
        virtual.create(MICROPHONE)


@needs_server
def test_without_the_plugin_portaudio_cannot_open_it(monkeypatch):
    server = start_server()
    try:
        for name in ("XDG_RUNTIME_DIR", "PULSE_SERVER"):
            monkeypatch.setenv(name, server.environment[name])
        monkeypatch.setattr(virtual, "list_devices", list)
        with pytest.raises(DeviceError, match=r"PortAudio cannot open.*libasound2-plugins"), VirtualDevice(SPEAKERS):
            pass
        assert "rtdenoise_" not in server.modules()
    finally:
        server.stop()
