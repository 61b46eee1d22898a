"""Hazard: a latency that nobody has. Programs of known latency go through the bench; no speed is asserted here."""

from __future__ import annotations

import json

import numpy as np
import pytest
from real_server import needs_server

from benchmarks import latency
from benchmarks.between import PassThrough
from rtdenoise.live.loopback import Delays

pytestmark = pytest.mark.alone


@needs_server
@pytest.mark.timeout(240)
def test_what_we_add_to_a_pass_through_is_the_engine(tmp_path, capsys):
    file = tmp_path / "latency.json"
    arguments = ["--seconds", "3", "--rate", "48000", "--latency", "low", "--program", "pass-through"]
    for _ in range(4):  # as often as it takes for a machine that does other things besides
        code = latency.main([*arguments, "--program", "dry", "--json", str(file)])
        found = json.loads(file.read_text())
        through, ours = (latency.Row(**row) for row in found["rows"])
        assert latency.as_text(found).strip() == capsys.readouterr().out.strip()
        assert code == int(bool(through.problem or ours.problem))
        if not (through.counted or ours.counted or code):
            break
    else:
        pytest.fail(f"nothing but gaps: {through.counted} {ours.counted} {through.problem} {ours.problem}")
    assert len(ours.delays_ms) >= 4
    added = ours.measured_ms - through.measured_ms
    assert added == pytest.approx(16, abs=ours.block_ms + 1)


def test_without_a_sound_server_each_row_says_so(monkeypatch, capsys):
    monkeypatch.setattr(latency.pulse, "why_not", lambda: "pactl missing")
    assert latency.main(["--rate", "48000", "--latency", "low", "--program", "dry"]) == 1
    assert "- 48000 Hz, low, dry: no sound server: pactl missing" in capsys.readouterr().out


@needs_server
@pytest.mark.timeout(120)
def test_a_program_that_cannot_start_is_a_row_that_says_so(monkeypatch):
    monkeypatch.setattr(latency, "ATTEMPTS", 1)
    (row,) = latency.measure([48000], ["low"], ["dry"], 1.0, 0.0, "nonsense")
    assert "there is no model 'nonsense'" in row.problem
    assert np.isnan(row.measured_ms)


def test_real_devices_that_are_not_there_are_a_row_that_says_so(capsys):
    assert latency.main(["--input", "no such thing", "--output", "nor this", "--latency", "low"]) == 1
    assert "**Missing or wrong**" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        latency.main(["--input", "mic"])
    assert stopped.value.code == 2


def test_what_was_stated_is_held_against_what_was_measured():
    def row(measured_ms, stated_ms, lost=0):
        filled = latency.Row(48000, "low", "dry")
        delays = Delays([0.0, 0.5], [measured_ms / 1e3] * 2, lost)
        filled.fill(delays, {"block_length": 480, "latency_ms": stated_ms, "underruns": 2, "overruns": 0}, 48000)
        return filled

    assert row(50, 50.1).problem == row(50, 59.9).problem == ""
    assert row(50, 50).counted == {"underruns": 2}
    assert row(50, 60.1).problem == "stated 60.1 ms, measured 50.0: more than a block apart"
    assert row(50, 50, lost=2).problem == "2 of 4 chirps did not come back"


def test_a_pass_through_holds_the_least_that_waits_at_its_reserve():
    program = PassThrough.__new__(PassThrough)
    program.rate, program.block, program.reserve, program.ring = 16000, 64, 128, np.zeros(16000, np.float32)
    program.written = program.read = program.underruns = program.corrections = 0
    program.mean_level, program.settled, program.levels = 0.0, False, []
    sent, played = np.arange(1, 64001, dtype=np.float32), []
    for start in range(0, 64000, 64):
        program.capture(sent[start : start + 64, None], 64, None, None)
        if start == 32000:
            program.read -= 200  # the clock of the loudspeakers stood still for a moment
        out = np.empty((64, 2), np.float32)
        program.play(out, 64, None, None)
        played.append(out[:, 0])
    late = sent - np.concatenate(played)
    assert late[20000] == 128
    assert late[-1] == 128
    assert program.corrections == 1
    assert program.report.__func__ is PassThrough.report
