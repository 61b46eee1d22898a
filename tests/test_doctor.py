"""Hazard: a doctor that says all is well, or leaves something behind. With a sound server, without, fast and slow."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
from click.testing import CliRunner
from command_line import COMMAND
from real_server import needs_server, start_server

from rtdenoise.cli import cli
from rtdenoise.commands import doctor
from rtdenoise.commands.reporter import Reporter
from rtdenoise.errors import DeviceError
from rtdenoise.live.devices import DeviceInfo
from rtdenoise.live.hop_timer import HopTimes

pytestmark = pytest.mark.alone


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(doctor, "_HOP_SECONDS", 0.5)


def run(*arguments):
    done = CliRunner().invoke(cli, ["doctor", "--quick", *arguments], obj=Reporter(-1), standalone_mode=False)
    return done.return_value, done.stdout


@needs_server
@pytest.mark.timeout(120)
def test_on_a_machine_with_a_sound_server_everything_is_measured_and_nothing_stays_behind():
    server = start_server()
    try:
        before = server.modules()
        done = subprocess.run(
            [*COMMAND, "doctor", "--quick", "--json"], env=server.environment, capture_output=True, timeout=100
        )
        assert server.modules() == before
    finally:
        server.stop()
    answer = json.loads(done.stdout)
    checks = {check["name"]: check for check in answer["checks"]}
    assert done.returncode == (0 if answer["ok"] else 1)
    assert "This machine runs `stream` with" in answer["verdict"] or "too slow or too busy" in answer["verdict"]
    for name in ("sound", "microphone", "loudspeakers", "rate", "sound server"):
        assert checks[name]["state"] == "ok", checks[name]
    assert checks["sound server"]["text"].startswith("pulseaudio")
    assert checks["rate"]["figures"] == {"sample_rate": 48000}
    assert checks["speed"]["figures"]["hops"] == 500
    latency = checks["latency"]["figures"]
    assert latency["way"] == "silent loop through the sound server"
    assert 16 < latency["stated_ms"] < 300
    assert "measured_ms" in latency or checks["latency"]["state"] == "problem"


def test_without_a_sound_system_it_says_what_to_do(monkeypatch, quickly):
    monkeypatch.setattr(doctor, "list_devices", list)
    code, text = run()
    assert code == 1
    assert "FIX   sound         no sound device\n" in text
    assert "-> start PipeWire or PulseAudio" in text
    assert "-     latency       no loop: PortAudio reaches no PulseAudio server here" in text
    assert "but live sound needs what is said above." in text


def test_without_portaudio_it_says_what_to_install(monkeypatch, quickly):
    def broken():
        raise DeviceError("live sound needs the PortAudio library: install it")

    monkeypatch.setattr(doctor, "list_devices", broken)
    code, text = run("--json")
    answer = json.loads(text)
    assert (code, answer["ok"]) == (1, False)
    assert answer["checks"][0]["advice"] == "live sound needs the PortAudio library: install it"


def test_a_missing_end_a_foreign_rate_and_an_unknown_device(monkeypatch, quickly):
    speakers = DeviceInfo(0, "Box", "ALSA", 0, 2, 44100, is_default_output=True)
    monkeypatch.setattr(doctor, "list_devices", lambda: [speakers])
    code, text = run()
    assert code == 1
    assert "FIX   microphone    not found" in text
    assert "ok    loudspeakers  'Box', 44100 Hz" in text
    monkeypatch.setattr(doctor, "agree_on_rate", lambda ends: 44100)
    assert doctor._look_at_rate([]).state == "note"

    def disagree(ends):
        raise DeviceError("they have no sample rate in common")

    monkeypatch.setattr(doctor, "agree_on_rate", disagree)
    assert doctor._look_at_rate([]).advice == "they have no sample rate in common"
    code, text = run("--input", "nobody", "--output", "nowhere")
    assert "FIX   latency" in text


@pytest.mark.parametrize(
    ("seconds", "wish", "states"),
    [
        ([0.0004] * 100, "low", ["ok", "ok"]),
        ([0.0004] * 99 + [0.006], "high", ["ok", "note"]),
        ([0.0004] * 999 + [0.009], "high", ["ok", "note"]),
        ([0.007] * 100, None, ["ok", "problem"]),
        ([0.0004] * 9 + [0.02], None, ["ok", "problem"]),
    ],
)
def test_speed_is_judged_by_its_worst(monkeypatch, identity, seconds, wish, states):
    monkeypatch.setattr(doctor, "time_hops", lambda *_, **__: HopTimes(np.array(seconds), 0.008, True))
    checks, found = doctor._measure_speed(identity, 1.0)
    assert (found, [check.state for check in checks]) == (wish, states)
    latency = doctor.Check("latency", "skipped", "no loop")
    verdict = doctor._verdict(identity, [*checks, latency], found)
    assert ("too slow" if wish is None else f"set --latency {wish}") in verdict


def test_without_the_right_to_go_first_it_says_how_to_get_it(monkeypatch, identity):
    monkeypatch.setattr(doctor, "time_hops", lambda *_, **__: HopTimes(np.full(9, 1e-4), 0.008, False))
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    (first, _), _ = doctor._measure_speed(identity, 1.0)
    assert (first.state, "rtprio" in first.advice) == ("note", True)
    monkeypatch.setattr(doctor.sys, "platform", "darwin")
    (first, _), _ = doctor._measure_speed(identity, 1.0)
    assert first.state == "ok"
    assert doctor._look_at_server().text.startswith("part of")


def test_one_device_alone_is_wrong_usage():
    done = subprocess.run([*COMMAND, "doctor", "--input", "mic"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "--input and --output of doctor go together" in done.stderr
