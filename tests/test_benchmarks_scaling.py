"""Hazard: figures of load and throughput that count something else. No speed is asserted here."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import scaling
from rtdenoise import Denoiser


def test_the_command_prints_and_writes_every_part(tmp_path, monkeypatch, capsys, identity):
    monkeypatch.setattr(scaling, "usable_cores", lambda: 1)
    file = tmp_path / "scaling.json"
    arguments = ["--model", str(identity.path), "--streams", "1", "--streams", "2", "--json", str(file)]
    monkeypatch.setattr(scaling, "PROMISED_STREAMS", 3)
    assert scaling.main([*arguments, "--seconds", "0.2", "--live-seconds", "0.2", "--hold-seconds", "0.4"]) == 0
    text = capsys.readouterr().out
    for part in (
        "Live on one core",
        "| streams | seconds | load p50 |",
        "| threads |",
        "Files, read, denoised and written, times real time.",
        "| processes |",
    ):
        assert part in text
    found = json.loads(file.read_text())
    assert {"date", "commit", "machine", "versions", "cores"} <= set(found)
    first = found["live"][0]
    assert (first["streams"], first["ticks"]) == (1, 25)
    assert 0 < first["p50"] <= first["p99"] <= first["max"]
    assert [(step["streams"], step["ticks"]) for step in found["held"]] == [(3, 50)]
    assert found["threads"].keys() == found["processes"].keys()
    for rounds in [*found["threads"].values(), *found["files"].values()]:
        assert len(rounds) == scaling.ROUNDS
        assert min(rounds) > 0
    assert scaling.as_text(found) in text  # what is written later is made of the file
    compared = scaling.figures(found)
    assert compared["files, 1 processes"].values == found["files"]["1"]
    assert compared["files, 1 processes"].higher_is_better


def test_throughput_counts_each_hop_once(identity):
    class Counted(Denoiser):
        samples = 0

        def process(self, samples):
            self.samples += len(samples)
            return super().process(samples)

    denoiser = Counted(16000, identity)
    audio = scaling.run_hops(denoiser, scaling.noisy_speech(), 0.1)
    assert audio == denoiser.samples / 16000 > 0


@pytest.mark.parametrize("seconds", [0.1])
def test_a_machine_that_is_too_slow_misses_ticks(identity, seconds, monkeypatch):
    monkeypatch.setattr(scaling, "use_one_core", lambda: None)  # this is the test's own process
    monkeypatch.setattr(scaling, "promote_thread", lambda priority: False)
    busy = Denoiser.process

    def slow(self, samples):
        scaling.time.sleep(0.02)
        return busy(self, samples)

    monkeypatch.setattr(Denoiser, "process", slow)
    found = scaling.live(str(identity.path), 1, seconds)
    assert found["missed"] == found["ticks"]
    assert found["p50"] > 2


def test_memory_is_measured_with_ever_more_streams(identity, monkeypatch):
    monkeypatch.setattr(scaling, "MEMORY_STEPS", (1, 3))
    found = scaling.memory(str(identity.path))
    assert [step["streams"] for step in found] in ([1, 3], [])
    assert all(np.isfinite(step["mb"]) and step["mb"] > 10 for step in found)


def test_a_model_that_is_not_there_is_one_line_and_exit_code_1(capsys):
    assert scaling.main(["--model", "nonsense"]) == 1
    assert "there is no model 'nonsense'" in capsys.readouterr().err
