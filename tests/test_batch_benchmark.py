"""Hazard: the plan for 100,000 hours counts something else than was measured. No speed is asserted here."""

from __future__ import annotations

import json

import pytest

from benchmarks import batch

FOUND = {
    "cores": 2,
    "others_cores": 0.0,
    "files": 60,
    "seconds": 60.0,
    "speeds": {"processes": {"1": [80.0, 100.0, 90.0], "2": [180.0, 160.0, 170.0]}, "dask": {"1": [50.0]}},
}


def test_the_tables_say_what_was_measured():
    assert batch.as_text(FOUND).startswith("60 files, 1 hours of sound at 16 kHz, on 2 cores.\n")
    lines = batch.as_text(FOUND).splitlines()
    assert "| processes | 1 | 90 | 1.00 |" in lines
    assert "| processes | 2 | 170 | 1.89 |" in lines
    assert "| dask | 1 | 50 | 1.00 |" in lines
    assert "| 1 | 90 (measured) | 46 days | 2.9 MB/s |" in lines
    assert "| 512 | 43520 (256 times that of 2) | 2 hours | 1393 MB/s |" in lines
    assert batch.caveat(FOUND) == ""
    assert "2 workers had 1 core" in batch.caveat(FOUND | {"cores": 1})
    assert "took 0.5 cores" in batch.caveat(FOUND | {"others_cores": 0.5})


def test_the_command_measures_both_engines(identity, tmp_path, capsys):
    pytest.importorskip("distributed")
    arguments = ["--model", str(identity.path), "--workers", "1", "--files", "3", "--seconds", "1", "--rounds", "2"]
    assert batch.main([*arguments, "--json", str(tmp_path / "batch.json")]) == 0
    found = json.loads((tmp_path / "batch.json").read_text())
    assert {"date", "commit", "machine", "versions", "others_cores"} <= set(found)
    for engine in ("processes", "dask"):
        assert len(found["speeds"][engine]["1"]) == 2
        assert min(found["speeds"][engine]["1"]) > 0
    assert batch.as_text(found) in capsys.readouterr().out
    assert len(batch.figures(found)) == 2


def test_recordings_are_as_long_as_said_and_the_largest_come_first(tmp_path):
    tasks = batch.make_recordings(tmp_path, 4, 2.0)
    assert [task.size for task in tasks] == sorted((task.size for task in tasks), reverse=True)
    assert sum(task.size - 44 for task in tasks) == 4 * 2 * 16000 * 2


def test_what_cannot_be_measured_is_one_line(capsys):
    assert batch.main(["--model", "none.onnx"]) == 1
    assert capsys.readouterr().err.startswith("error: model file none.onnx cannot be read")
