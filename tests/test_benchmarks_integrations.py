"""Hazard: the doors for voice agents cost more than they may, or the benchmark measures something else."""

from __future__ import annotations

import json

import pytest

from benchmarks import integrations
from rtdenoise import Model
from rtdenoise.errors import MissingPackageError

pytestmark = pytest.mark.alone


def test_every_door_gets_the_same_sound(tmp_path, capsys):
    """Times of a test mean little; that all is there, and nothing is out of all proportion, can be seen."""
    code = integrations.main(["--seconds", "1", "--rounds", "3", "--json", str(tmp_path / "i.json")])
    text, found = capsys.readouterr().out, json.loads((tmp_path / "i.json").read_text())
    assert code == int(found["missing"].keys() >= {"Pipecat", "LiveKit"})
    assert text.startswith("| ms of CPU for a second | bare engine | bytes | Pipecat | LiveKit |")
    assert found["latency_ms"] == 16
    for costs in found["cpu_ms_per_second"].values():
        assert costs.keys() == integrations.DOORS.keys() - found["missing"].keys()
        assert 0.5 < costs["bytes"] / costs["bare engine"] < 2


def test_what_is_missing_is_said(monkeypatch):
    def missing(rate: int, model: Model) -> integrations.Runner:
        raise MissingPackageError("Pipecat is not installed: pip install it")

    monkeypatch.setitem(integrations.DOORS, "Pipecat", missing)
    monkeypatch.setattr(integrations, "RATES", [8000])
    found = integrations.measure(0.1, 1)
    assert found["missing"] == {"Pipecat": "Pipecat is not installed: pip install it"}
    text = integrations.as_text(found)
    assert "| - |" in text
    assert "Pipecat is not installed: pip install it" in text


def test_the_sound_is_as_long_as_it_should_be():
    assert len(integrations.speech(48000, 0.5)) == 48000
