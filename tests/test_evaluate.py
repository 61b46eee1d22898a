"""Hazard: figures that do not mean what their names say. Needs the extra [evaluate]; skipped, and said, without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import rtdenoise
from train import evaluate
from train.metrics import si_sdr_db

SAMPLES = Path(rtdenoise.__file__).parent / "samples"


@pytest.fixture(scope="module", autouse=True)
def measures():
    for package in ("pesq", "pystoi", "speechmos.dnsmos"):
        pytest.importorskip(package, reason="evaluation needs the extra [evaluate]")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    for kind in ("clean", "noisy"):
        (folder / kind).mkdir()
        samples, rate = soundfile.read(SAMPLES / f"demo_{kind}.flac", dtype="float32")
        for i in range(2):
            soundfile.write(folder / kind / f"p{i}_snr+{5 * i}.wav", samples[i * 4 * rate : (i + 1) * 4 * rate], rate)
    return folder


def test_a_report_holds_every_measure_for_every_group(pairs, tmp_path, capsys):
    report = tmp_path / "report.md"
    assert evaluate.main(["--data", str(pairs), "--report", str(report)]) == 0
    text = report.read_text()
    assert text in capsys.readouterr().out
    for part in (
        "PESQ-WB",
        "ESTOI",
        "SI-SDR",
        "OVRL",
        "| all (2) | noisy |",
        "| +0 dB (1) | denoised |",
        "| +5 dB (1) |",
    ):
        assert part in text


def test_the_measures_of_clean_and_noisy_speech_differ_as_they_should():
    clean, _ = soundfile.read(SAMPLES / "demo_clean.flac", dtype="float32")
    noisy, _ = soundfile.read(SAMPLES / "demo_noisy.flac", dtype="float32")
    best, worse = evaluate.metrics(clean, clean), evaluate.metrics(noisy, clean)
    assert best["PESQ-WB"] > 4.5
    assert best["ESTOI"] == pytest.approx(1.0, abs=1e-3)
    for name in ("PESQ-WB", "ESTOI", "STOI", "SI-SDR", "OVRL", "BAK"):
        assert worse[name] < best[name]


def test_si_sdr_is_that_of_the_formula():
    rng = np.random.default_rng(0)
    target, other = rng.standard_normal((2, 16000))
    other -= other @ target / (target @ target) * target
    other *= np.linalg.norm(target) / np.linalg.norm(other) * 0.1
    assert si_sdr_db(3 * (target + other), target) == pytest.approx(20.0, abs=0.05)


def test_names_that_do_not_pair_are_refused(pairs, capsys):
    extra = pairs / "noisy" / "alone.wav"
    soundfile.write(extra, np.ones(16000) * 0.1, 16000)
    try:
        assert evaluate.main(["--data", str(pairs)]) == 1
    finally:
        extra.unlink()
    assert "alone.wav" in capsys.readouterr().err
    assert evaluate.main(["--data", str(pairs / "absent")]) == 1
