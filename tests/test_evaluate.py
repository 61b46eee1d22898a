"""Hazard: figures that do not mean what their names say. Needs the extra [evaluate]; skipped, and said, without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny_models

import rtdenoise
from train import evaluate, robustness
from train.metrics import si_sdr_db
from train.robustness import Figure

SAMPLES = Path(rtdenoise.__file__).parent / "samples"


@pytest.fixture(scope="module", autouse=True)
def measures():
    for package in ("pesq", "pystoi", "speechmos.dnsmos"):
        pytest.importorskip(package, reason="evaluation needs the extra [evaluate]")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    # 10 s each: shorter ones DNSMOS hears again and again.
    clean, rate = soundfile.read(SAMPLES / "demo_clean.flac")
    noisy, _ = soundfile.read(SAMPLES / "demo_noisy.flac")
    for kind, first, second in (("clean", clean, clean), ("noisy", noisy, (noisy + clean) / 2)):
        (folder / kind).mkdir()
        soundfile.write(folder / kind / "p0_fan_snr+0.wav", first, rate)
        soundfile.write(folder / kind / "p1_street_snr+5.wav", second, rate)
    return folder


def test_a_report_holds_models_pairs_groups_clean_speech_and_situations(pairs, tmp_path, capsys, monkeypatch):
    # Two of the situations; all of them with real models are in test_quality.
    monkeypatch.setattr(evaluate, "SITUATIONS", (robustness.noise_alone, robustness.word_beginnings))
    tiny = tiny_models.save_constant(tmp_path / "tiny.onnx", 1.0)
    report = tmp_path / "report.md"
    given = ["--data", str(pairs), "--model", "stream", "--model", str(tiny), "--report", str(report)]
    assert evaluate.main([*given, "--processes", "2"]) == 0
    text = report.read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    for part in ("# `stream` ", "tiny.onnx", "2 pairs, 20 s", "PESQ-WB", "OVRL", "| noisy | 2 |", "| stream | 2 |",
                 "SI-SDR by SNR\n\n|  | +0 dB | +5 dB |", "SI-SDR by noise\n\n|  | fan | street |",
                 f"|  | wanted | stream | {tiny} |", "| clean speech as recorded: PESQ-WB | at least 4 | ",
                 "| white noise alone gets quieter by | at least 25 dB | "):  # fmt: skip
        assert part in text
    row = next(line for line in text.splitlines() if line.startswith("| hum alone"))
    assert row.split("|")[4].strip() == "**0.0 dB**", "the tiny model does nothing, and that is said"
    unchanged = next(line for line in text.splitlines() if line.startswith("| clean speech as recorded: PESQ-WB"))
    assert unchanged.split("|")[4].strip() == "4.64"


def test_a_model_of_8_khz_is_measured_in_its_band(pairs, tmp_path, capsys):
    narrow = tiny_models.save_constant(tmp_path / "narrow.onnx", sample_rate="8000")
    assert evaluate.main(["--data", str(pairs), "--model", str(narrow), "--processes", "1"]) == 0
    text = capsys.readouterr().out
    assert "Everything at 8000 Hz; situations are made at 16000 Hz, so they are left out." in text
    assert "white noise alone" not in text
    rows = [line.split("|") for line in text.splitlines() if line.startswith(("| noisy | 2", f"| {narrow} | 2"))]
    noisy, narrowed = (row[3:9] for row in rows[:2])
    assert noisy[0].strip() == "-", "PESQ-WB means nothing without a wide band"
    assert noisy[1] == narrowed[1], "PESQ-NB of a model that does nothing"


def test_a_model_that_says_nothing_stands_beside_one_that_does(pairs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "SITUATIONS", ())
    silent, same = (tiny_models.save_constant(tmp_path / f"{gain}.onnx", gain) for gain in (0.0, 1.0))
    given = ["--model", str(silent), "--model", str(same), "--data", str(pairs), "--no-dnsmos", "--processes", "1"]
    evaluate.main(given)
    row = next(line for line in capsys.readouterr().out.splitlines() if "as recorded: PESQ-WB" in line)
    assert row.split("|")[3].strip() == "**nan**"
    assert row.split("|")[4].strip() == "4.64"


def test_no_processes_are_refused(pairs, capsys):
    with pytest.raises(SystemExit) as ended:
        evaluate.main(["--data", str(pairs), "--processes", "0"])
    assert ended.value.code == 2
    assert "--processes is 0; it must be 1 or more" in capsys.readouterr().err


def test_a_limit_is_reached_or_not():
    assert Figure("x", 25.0, at_least=25).reached
    assert not Figure("x", 24.9, at_least=25).reached
    assert not Figure("x", 2.1, "s", at_most=2).reached
    assert not Figure("x", float("nan"), at_least=0).reached
    assert Figure("x", 2.1, "s", at_most=2).wanted == "at most 2 s"


def test_si_sdr_is_that_of_the_formula():
    rng = np.random.default_rng(0)
    target, other = rng.standard_normal((2, 16000))
    other -= other @ target / (target @ target) * target
    other *= np.linalg.norm(target) / np.linalg.norm(other) * 0.1
    assert si_sdr_db(3 * (target + other), target) == pytest.approx(20.0, abs=0.05)


def test_a_pair_that_is_none_is_said_and_the_others_measured(pairs, capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "SITUATIONS", ())
    extra = pairs / "noisy" / "alone.wav"
    soundfile.write(extra, np.ones(16000) * 0.1, 16000)
    try:
        assert evaluate.main(["--data", str(pairs), "--no-dnsmos", "--processes", "1"]) == 1
    finally:
        extra.unlink()
    text = capsys.readouterr().out
    assert "- pair left out: alone.wav: no file of this name in clean/" in text
    assert "| stream | 2 |" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "absent"], "absent has no folder clean/"),
        (["--data", "PAIRS", "--model", "nonsense"], "there is no model 'nonsense'"),
        (["--data", "PAIRS", "--report", "no/such/folder/x.md"], "No such file"),
    ],
)
def test_what_cannot_start_is_one_line_and_exit_code_1(arguments, says, pairs, capsys):
    assert evaluate.main([str(pairs) if argument == "PAIRS" else argument for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert says in error
    assert error.count("\n") == 1
