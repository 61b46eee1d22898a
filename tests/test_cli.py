"""The command line: every failure is one line with the way out and the right exit code, and nothing is overwritten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny_models
from command_line import COMMAND, refused, run
from real_server import needs_server, start_server

import rtdenoise
from rtdenoise.config import STREAM_TRANSFORM

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ALSA can be told that there is nothing")


@pytest.fixture
def wav(tmp_path, speechlike) -> Path:
    soundfile.write(tmp_path / "in.wav", speechlike(8000), 16000)
    return tmp_path / "in.wav"


@pytest.fixture
def no_devices(tmp_path) -> dict[str, str]:
    """An environment without any sound device or server."""
    environment = os.environ | {"PULSE_SERVER": f"unix:{tmp_path}/nobody", "PIPEWIRE_REMOTE": f"{tmp_path}/nobody"}
    if json.loads(run("devices", "--json", env=environment).out):
        pytest.skip("this machine has a sound card")
    return environment


def test_a_file_in_one_line(wav, tmp_path):
    """The main job as the README says it, with the shipped model."""
    outcome = run("--input", wav, "--output", tmp_path / "out.wav")
    assert (outcome.code, outcome.out) == (0, b"")
    samples = soundfile.read(wav, dtype="float32")[0]
    out = soundfile.read(tmp_path / "out.wav", dtype="float32")[0]
    assert np.abs(out - rtdenoise.denoise(samples, 16000)).max() <= 2.0**-16
    first, last = outcome.err.splitlines()
    assert "16000 Hz, mono, 0.5 s, model stream" in first
    assert "latency 16 ms" in first
    assert "62 hops, load p50" in last


def test_quiet_verbose_version_and_no_arguments(wav, leaky):
    assert run("-q", "--input", wav, "--output", "none", "--model", leaky.path).err == ""
    assert run("--version").out.decode().strip() == f"rtdenoise {rtdenoise.__version__}"
    nothing = run()
    assert (nothing.code, nothing.out) == (2, b"")
    assert "Usage: rtdenoise" in nothing.err


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["--input", "in.wav"], ["--output is missing", "--output speakers"]),
        (["--output", "none"], ["--input is missing", "--input mic"]),
        (["in.wav", "out.wav"], ["no command 'in.wav'", "devices, models, demo", "--input"]),
        (["--imput", "in.wav"], ["--imput", "--input"]),
        (["--input", "mic", "devices"], ["--input does not go with 'devices'"]),
        (["--input", "speakers", "--output", "none"], ["that is an output", "take mic"]),
        (["--input", "in.wav", "--output", "mic"], ["that is an input", "take speakers"]),
        (["--input", "in.wav", "--output", "out.m4a"], [".m4a", ".wav", ".flac", ".mp3"]),
        (["--input", "in.wav", "--output", "sub/out"], ["no suffix", ".wav", ".flac"]),
        (["--input", "in.wav", "--output", "./in.wav", "--force"], ["the same file", "another name"]),
        (["--input", "in.wav", "--output", "none", "--raw-rate", "16000"], ["--raw-rate", "for pipes"]),
        (["--input", "in.wav", "--output", "-", "--raw-rate", "8000"], ["--raw-rate 8000", "16000", "leave it out"]),
        (["--input", "in.wav", "--output", "-", "--raw-channels", "2"], ["--raw-channels 2", "1", "leave it out"]),
        (["--input", "-", "--output", "none", "--raw-rate", "0"], ["--raw-rate", "0 is not in", "4000<=x<=384000"]),
        (["--input", "-", "--output", "none", "--raw-rate", "10000000"], ["10000000 is not in", "4000<=x<=384000"]),
        (["--input", "-", "--output", "none", "--raw-format", "s18"], ["'s18'", "'s16le', 'f32le'"]),
        (["--input", "-", "--output", "none", "--raw-channels", "0"], ["--raw-channels", "1<=x<=64"]),
        (["--input", "in.wav", "--output", "none", "--duration", "0"], ["'0'", "seconds above 0"]),
        (["--input", "in.wav", "--output", "none", "--duration", "soon"], ["'soon'", "seconds above 0"]),
        (["--input", "in.wav", "--output", "none", "--attenuation-limit", "-3"], ["'-3'", "decibels from 0 up"]),
        (["--input", "in.wav", "--output", "none", "--attenuation-limit", "inf"], ["'inf'", "decibels from 0 up"]),
        (["--input", "mic", "--output", "none", "--latency", "lowest"], ["'lowest'", "low, high", "1 to 2000"]),
        (["--input", "in.wav", "--output", "-", "--stats", "-"], ["--stats -", "--stats FILE.json"]),
        (["--input", "in.wav", "--output", "none", "--stats", "in.wav"], ["in.wav", "FILE.json"]),
        (["--input", "in.wav", "--output", "none", "--stats", "no/s.json"], ["no folder no", "make it first"]),
        (["--input", "-", "--output", "none", "--raw-channels", "two"], ["'two'", "whole number from 1 up to 64"]),
        (
            ["batch", "in", "out", "--jobs", "x"],
            ["'x'", "number from 1 up to 1024", "(see rtdenoise batch --help)"],
        ),
        (["demo", "--seconds", "1"], ["--seconds 1 is too short", "2 or more", "(see rtdenoise demo --help)"]),
        (["demo", "--seconds", "nan"], ["'nan'", "seconds above 0"]),
    ],
)
def test_wrong_usage(wav, monkeypatch, arguments, fragments):
    monkeypatch.chdir(wav.parent)
    before = wav.read_bytes()
    refused(run(*arguments, env=with_sources()), 2, *fragments)
    assert wav.read_bytes() == before
    assert [path.name for path in wav.parent.iterdir()] == ["in.wav"]


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (
            ["--input", "absent.wav", "--output", "out.wav"],
            ["absent.wav cannot be read: No such file", "check the path"],
        ),
        (["--input", "text.wav", "--output", "out.wav"], ["text.wav is no audio file", ".flac"]),
        (["--input", "empty.wav", "--output", "out.wav"], ["empty.wav is empty (0 bytes)"]),
        (["--input", "header.wav", "--output", "out.wav"], ["header.wav has a header but no samples"]),
        (["--input", "fast.wav", "--output", "out.wav"], ["10000000 Hz", "4000 to 384000 Hz"]),
        (["--input", "none.wav", "--output", "out.wav"], ["none.wav is no audio file"]),
        (["--input", "in.wav", "--output", "no/where/out.wav"], ["no folder no/where", "make it first"]),
        (["--input", "in.wav", "--output", "there.wav"], ["there.wav exists", "--force"]),
        (["--input", "in.wav", "--output", "/proc/self/out.wav"], ["cannot be written", "folder that you may write"]),
        (["--input", "in.wav", "--output", "/dev/full"], ["no suffix"]),
        (["--input", "in.wav", "--output", "out.opus", "--model", "44"], ["no model '44'", "stream"]),
        (["--input", "in.wav", "--output", "none", "--model", "text.wav"], ["text.wav is no ONNX model"]),
        (["--input", "in.wav", "--output", "none", "--model", "old.onnx"], ["rtdenoise_format '0'", "expected '1'"]),
        (["--input", "in.wav", "--output", "none", "--model", "wide.onnx"], ["n_bins 129", "expected 257"]),
        (["--input", "in.wav", "--output", "none", "--model", "no.onnx"], ["no.onnx cannot be read", "stream"]),
        (["demo", "--output-dir", "in.wav"], ["in.wav cannot be made", "--output-dir"]),
    ],
)
@linux_only
def test_failures(wav, monkeypatch, arguments, fragments):
    folder = wav.parent
    monkeypatch.chdir(folder)
    make_bad_files(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    refused(run(*arguments, env=with_sources()), 2 if "/dev/full" in arguments else 1, *fragments)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def make_bad_files(folder: Path) -> None:
    (folder / "text.wav").write_text("this is a letter\n" * 9)
    (folder / "there.wav").write_text("somebody's")
    (folder / "empty.wav").touch()
    soundfile.write(folder / "header.wav", np.zeros(0), 16000)
    for name, place, value in (("fast.wav", 24, (10_000_000).to_bytes(4, "little")), ("none.wav", 22, b"\0\0")):
        data = bytearray((folder / "in.wav").read_bytes())
        data[place : place + len(value)] = value
        (folder / name).write_bytes(data)
    tiny_models.save_constant(folder / "old.onnx", rtdenoise_format="0")
    tiny_models.save_constant(folder / "wide.onnx", n_bins="129")
    assert STREAM_TRANSFORM.n_bins == 257


def with_sources() -> dict[str, str]:
    """The environment for a process in another folder than that of the sources."""
    return os.environ | {"PYTHONPATH": str(Path(rtdenoise.__file__).parent.parent)}


@linux_only
def test_no_sound_device(no_devices, wav, tmp_path):
    for arguments in (
        ["--input", "mic", "--output", "speakers"],
        ["--input", "mic", "--output", tmp_path / "take.wav"],
        ["--input", wav, "--output", "speakers"],
        ["--input", "mic", "--output", "-"],
    ):
        refused(run(*arguments, env=no_devices), 1, "there is no sound device", "start the sound server", "demo")
    refused(run("devices", env=no_devices), 1, "there is no sound device", "start the sound server")
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]


@linux_only
def test_no_portaudio(tmp_path, wav):
    """As on a fresh Debian without libportaudio2: files work, sound devices say what to install."""
    (tmp_path / "sitecustomize.py").write_text(
        "import ctypes.util, ctypes\n"
        "found, load = ctypes.util.find_library, ctypes.CDLL\n"
        "ctypes.util.find_library = lambda name: None if 'portaudio' in name else found(name)\n"
    )
    path = os.pathsep.join([str(tmp_path), with_sources()["PYTHONPATH"]])
    environment = os.environ | {"PYTHONPATH": path}
    outcome = run("--input", "mic", "--output", "none", env=environment)
    refused(outcome, 1, "needs the PortAudio library", "sudo apt install libportaudio2")
    refused(run("devices", env=environment), 1, "libportaudio2")
    assert run("--input", wav, "--output", "none", env=environment).code == 0


@pytest.mark.live
@needs_server
def test_a_device_that_does_not_exist(wav):
    """What there is comes with the answer, the closest name first."""
    server = start_server(16000)
    try:
        outcome = run("--input", "fake microfone", "--output", "none", env=server.environment)
        refused(outcome, 1, "'fake microfone'; there is 'fake microphone'", "'fake speakers'", "rtdenoise devices")
        refused(run("--input", wav, "--output", "telephone", env=server.environment), 1, "'telephone'", "there is")
        refused(run("--input", "99", "--output", "none", env=server.environment), 1, "'99'", "there is")
        table = run("devices", env=server.environment).out.decode()
        assert "fake microphone" in table
        assert all(row["name"] in table for row in json.loads(run("devices", "--json", env=server.environment).out))
    finally:
        server.stop()


def test_models(leaky):
    table = run("models")
    assert (table.code, table.err) == (0, "")
    assert "stream" in table.out.decode()
    listed = json.loads(run("models", "--json").out)
    assert [model["name"] for model in listed] == ["stream", "unet8k"]
    assert listed[0]["latency_seconds"] == 0.016
    assert Path(listed[0]["path"]).is_file()


def test_stats_on_standard_output_and_in_a_file(wav, tmp_path, leaky):
    arguments = ["--input", wav, "--output", "none", "--model", leaky.path, "--attenuation-limit", "12", "--bypass"]
    report = json.loads(run(*arguments, "--stats", "-").out)
    assert run(*arguments, "--stats", tmp_path / "s.json").out == b""
    assert json.loads((tmp_path / "s.json").read_text()).keys() == report.keys()
    assert (report["attenuation_limit_db"], report["bypass"]) == (12.0, True)
    assert (report["model"], report["sample_rate"], report["samples_in"]) == ("tiny", 16000, 8000)
    (tmp_path / "folder.json").mkdir()
    refused(run(*arguments, "-q", "--stats", tmp_path / "folder.json"), 1, "could not be written", "choose another")


def test_bypass_and_limit_do_what_they_say(wav, tmp_path, constant):
    """With a model that takes everything away: bypass gives the input back, a limit of 20 dB leaves a tenth."""
    samples = soundfile.read(wav, dtype="float32")[0]
    mute = constant(0).path
    for options, gain in ((["--bypass"], 1.0), (["--attenuation-limit", "20"], 0.1), ([], 0.0)):
        assert run("--input", wav, "--output", tmp_path / "o.wav", "--force", "--model", mute, *options).code == 0
        assert np.abs(soundfile.read(tmp_path / "o.wav", dtype="float32")[0] - gain * samples).max() < 1e-4


def test_closed_standard_streams(wav):
    line = f"{' '.join(COMMAND)} -q"
    for command, message in (
        (f"{line} --input - --output none <&-", "standard input is closed"),
        (f"{line} --input {wav} --output - >&-", "standard output is closed"),
    ):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1
        assert message in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_terminal_is_no_pipe(wav):
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    for arguments, stream, message in (
        (["--input", "-", "--output", "none"], "stdin", "--input - reads from a pipe"),
        (["--input", wav, "--output", "-"], "stdout", "--output - writes sound"),
    ):
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL} | {stream: theirs}
        done = subprocess.run([*COMMAND, *map(str, arguments)], stderr=subprocess.PIPE, timeout=30, **streams)
        assert done.returncode == 2
        assert message in done.stderr.decode()
    os.close(ours)
    os.close(theirs)


def test_a_listing_into_a_closed_pipe_ends_quietly():
    line = f"{' '.join(COMMAND)} models --json | head -c 0; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_unexpected_is_one_line_and_a_traceback_for_those_who_ask(tmp_path, wav):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.abc, sys\n"
        "class Refuse(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'onnxruntime':\n"
        "            raise ImportError('libgomp.so.1:\\ncannot open')\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    path = os.pathsep.join([str(tmp_path), with_sources()["PYTHONPATH"]])
    environment = os.environ | {"PYTHONPATH": path}
    refused(run("--input", wav, "--output", "none", env=environment), 1, "unexpected ImportError: libgomp.so.1", "-vv")
    asked = run("-vv", "--input", wav, "--output", "none", env=environment)
    assert asked.code == 1
    assert "Traceback" in asked.err
    assert asked.err.splitlines()[-1].startswith("rtdenoise: unexpected ImportError")


def test_help_imports_nothing_heavy():
    """What makes it quick; `python -X importtime -m rtdenoise --help` shows the rest."""
    script = "import sys, rtdenoise.cli; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = set(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.split())
    assert "click" in loaded
    assert not loaded & {"numpy", "numba", "onnxruntime", "soundfile", "soxr", "sounddevice", "rich", "rocket_fft"}
