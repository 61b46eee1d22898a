"""The command line inside this process: contradictions are found before anything is opened."""

from __future__ import annotations

import sys

import pytest
import soundfile

from rtdenoise.cli import _run
from rtdenoise.commands import listings
from rtdenoise.commands.endpoints import Endpoint, open_source, open_target
from rtdenoise.commands.job import Job, run
from rtdenoise.commands.reporter import Reporter
from rtdenoise.errors import AudioFileError, DeviceError, ParameterError
from rtdenoise.files.pipes import RawFormat

DEFAULTS = {
    "model": "stream",
    "attenuation_limit": None,
    "profile": "people",
    "bypass": False,
    "overlap": None,
    "latency": "low",
    "on_device_loss": "wait",
    "record_input": None,
    "record_output": None,
    "duration": None,
    "force": False,
    "stats": None,
    "raw_rate": None,
    "raw_format": None,
    "raw_channels": None,
    "no_panel": False,
}


class Terminal:
    def isatty(self):
        return True


class Redirected(Terminal):
    def isatty(self):
        return False


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, speechlike):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", Redirected())
    monkeypatch.setattr(sys, "stdout", Redirected())
    soundfile.write("in.wav", speechlike(1600), 16000)
    return tmp_path


def job(source, target, **options) -> Job:
    return Job.from_options(source, target, **(DEFAULTS | options))


def test_what_goes_together():
    assert job("in.wav", "out.wav").raw is None
    assert job("-", "none", raw_rate=8000).raw == RawFormat(8000)
    assert not job("in.wav", "-").is_live
    assert job("mic", "out.wav").is_live
    assert job("in.wav", "speakers").is_live


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        ("in.wav", "none", {"raw_rate": 8000}, "are for pipes"),
        ("in.wav", "none", {"raw_channels": 2}, "are for pipes"),
        ("in.wav", "-", {"stats": "-"}, "would mix on standard output"),
        ("in.wav", "none", {"stats": "in.wav"}, "no name for JSON"),
        ("in.wav", "none", {"stats": "no/s.json"}, "no folder no"),
        ("in.wav", "in.wav", {"force": True}, "the same file"),
        ("in.wav", "none", {"record_input": "a.wav"}, "--record-input is for live sound"),
        ("mic", "out.wav", {"record_output": "./out.wav"}, "that is what --output names; give each its own file"),
        ("mic", "speakers", {"record_input": "a.wav", "record_output": "a.wav"}, "that is what --record-input names"),
        ("mic", "speakers", {"record_input": "a.mp3"}, r"a.mp3 cannot be recorded to.* .wav or .flac"),
        ("in.wav", "out", {}, None),
        ("in.wav", "out.m4a", {}, "'.m4a'"),
    ],
)
def test_what_does_not(source, target, options, message):
    if message is None:
        assert job(source, target, **options).target == Endpoint("device", "out")
        return
    with pytest.raises(ParameterError, match=message):
        job(source, target, **options)


def test_terminals_are_no_pipes(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(ParameterError, match="--input - reads from a pipe"):
        job("-", "none")
    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(ParameterError, match="--output - writes sound"):
        job("in.wav", "-")


def test_closed_streams(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(AudioFileError, match="standard input is closed"):
        open_source(Endpoint("pipe", "-"), None)
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(AudioFileError, match="standard output is closed"):
        open_target(Endpoint("pipe", "-"), 16000, 1, source=None)


def test_raw_output_that_would_not_be_what_was_said(leaky):
    for options in ({"raw_rate": 8000}, {"raw_channels": 2}):
        with pytest.raises(ParameterError, match="leave it out"):
            run(job("in.wav", "-", model=str(leaky.path), **options), Reporter(-1))


def test_stats_that_cannot_be_written(leaky, folder):
    (folder / "s.json").mkdir()
    with pytest.raises(AudioFileError, match=r"--stats s.json could not be written"):
        run(job("in.wav", "none", model=str(leaky.path), stats="s.json"), Reporter(-1))


def test_no_devices_to_list(monkeypatch):
    monkeypatch.setattr("rtdenoise.live.devices.list_devices", list)
    with pytest.raises(DeviceError, match="there is no sound device"):
        listings.devices(as_json=False)
    assert listings.devices(as_json=True) == "[]"


def test_options_of_the_main_job_are_checked_when_they_are_read(capsys):
    for arguments in (["--latency", "x"], ["--duration", "0"], ["--attenuation-limit", "nan"], ["what"]):
        assert _run(arguments, Reporter()) == 2
        assert capsys.readouterr().err.count("\n") == 1
