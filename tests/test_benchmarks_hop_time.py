"""Hazard: times of something else than a hop, parts that do not add up. No speed is asserted here."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import alignment, cold_start, hop_time
from rtdenoise import Denoiser


def test_the_command_prints_and_writes_every_part(tmp_path, capsys, identity, monkeypatch):
    monkeypatch.setattr(cold_start, "LIVE_SECONDS", 0.5)
    file = tmp_path / "hop_time.json"
    arguments = ["--model", str(identity.path), "--rate", "16000", "--seconds", "0.2", "--runs", "1"]
    assert hop_time.main([*arguments, "--json", str(file)]) == 0
    text, found = capsys.readouterr().out, json.loads(file.read_text())
    assert hop_time.as_text(found).strip() == text.strip()
    assert found["peak_macs_per_second"] > 1e8
    hot, paced, first = found["rows"]
    assert [row["pace"] for row in found["rows"]] == ["hot", "paced", "paced, priority"]
    assert (hot["hops"], paced["hops"], first["hops"]) == (75, 25, 25)
    for row in found["rows"]:
        assert row["deadline_us"] == 8000
        us = row["us"]
        assert 0 < us["p50"] <= us["p99"] <= us["p99.9"] <= us["p100"]
        assert len(row["p50_of_rounds_us"]) == hop_time.ROUNDS
        assert sum(row["histogram"]) <= row["hops"]
    (model,) = found["models"].values()
    assert model["model_us"] + model["transform_us"] <= 2 * model["whole_us"]
    assert model["bytes_kept_per_hop"] < 64
    (cold,) = found["cold_start"].values()
    for parts in (cold["parts"], cold["parts_first_time"]):
        assert list(parts) == ["interpreter", "imports", "compile", "session", "first hop"]
        assert all(seconds > 0 for seconds in parts.values())
    assert cold["parts_first_time"]["compile"] > cold["parts"]["compile"]  # by seconds
    assert cold["seconds"]["first live sound"] > 0
    assert 0 < cold["live_cpu"] < 1
    compared = hop_time.figures(found)
    assert compared[f"hop {identity.path} 16000 Hz hot, us"].values == hot["p50_of_rounds_us"]


def test_a_model_that_is_not_there_is_one_line_and_exit_code_1(capsys):
    assert hop_time.main(["--model", "nonsense"]) == alignment.main(["--model", "nonsense"]) == 1
    assert capsys.readouterr().err.count("there is no model 'nonsense'") == 2


def test_memory_that_a_hop_keeps_is_seen(identity):
    kept = []

    class Hoarder(Denoiser):
        def process(self, samples):
            kept.append(np.zeros(1000))
            return super().process(samples)

    each, largest = hop_time.bytes_per_hop(Hoarder(16000, identity), 50)
    assert each == pytest.approx(8000, rel=0.2)
    assert largest > 8000
    assert hop_time.bytes_per_hop(Denoiser(16000, identity), 50)[0] < 200


def test_the_engine_is_as_exact_and_as_late_as_it_says(tmp_path, capsys, leaky, monkeypatch):
    monkeypatch.setattr(alignment, "OTHER_RATES", (44100,))
    file = tmp_path / "alignment.json"
    assert alignment.main(["--model", str(leaky.path), "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert alignment.as_text(found).strip() == capsys.readouterr().out.strip()
    assert found["differing"] == 0
    for row in found["rows"]:
        assert row["stated"] == row["measured"]
        assert row["reconstruction_db"] is None or row["reconstruction_db"] > 120
