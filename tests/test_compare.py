"""What `rtdenoise compare` says of two recordings is true of them, and the picture shows it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from png import read_png

from rtdenoise import denoise
from rtdenoise.cli import _run
from rtdenoise.commands import comparison_picture
from rtdenoise.commands.aligned import Pair
from rtdenoise.commands.canvas import PAPER, Canvas
from rtdenoise.commands.comparison_picture import Picture
from rtdenoise.commands.demo import load_sample, noise_in_pauses_db
from rtdenoise.commands.reporter import Reporter

RATE = 16000


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, samples, rate=RATE):
    soundfile.write(name, samples, rate, subtype="FLOAT")


def compare(capsys, *options) -> tuple[dict, str]:
    """The answer as JSON, and what people read besides."""
    assert _run(["compare", "a.wav", "b.wav", "--json", *options], Reporter()) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


@pytest.mark.parametrize("late", [0, 1, 917, -917, 30000])
def test_the_delay_is_found_to_the_sample(speechlike, capsys, late):
    sound = speechlike(5 * RATE)
    write("a.wav", np.concatenate([np.zeros(max(0, -late), np.float32), sound]))
    write("b.wav", np.concatenate([np.zeros(max(0, late), np.float32), 0.5 * sound]))
    facts, _ = compare(capsys)
    assert facts["delay_ms"] == pytest.approx(late / 16, abs=1e-3)
    assert facts["seconds"] == 5
    for what in ("noise", "speech"):
        assert facts[f"{what}_reduction_db"] == pytest.approx(6.02, abs=0.02)
    assert facts["peak_db"]["before"] - facts["peak_db"]["after"] == pytest.approx(6.02, abs=0.02)


@pytest.mark.parametrize("left", [1.0, 0.5, 0.1])
def test_noise_and_speech_are_told_apart(capsys, left):
    sample = load_sample()
    after = sample.clean + left * (sample.noisy - sample.clean)
    write("a.wav", sample.noisy)
    write("b.wav", after)
    facts, _ = compare(capsys)
    for name, samples in (("before", sample.noisy), ("after", after)):
        assert facts["noise_db"][name] == pytest.approx(noise_in_pauses_db(samples, sample), abs=3)
    assert facts["noise_reduction_db"] == pytest.approx(-20 * np.log10(left), abs=2)
    assert 0 <= facts["speech_reduction_db"] < 1.5
    rms = 10 * np.log10(np.mean(np.square(sample.noisy, dtype=np.float64)))
    assert facts["level_db"]["before"] == pytest.approx(rms, abs=0.01)


def test_people_get_a_table_and_a_picture(capsys):
    sample = load_sample(4.0)
    write("a.wav", sample.noisy)
    write("b.wav", denoise(sample.noisy, RATE))
    assert _run(["compare", "a.wav", "b.wav", "--plot", "out.png"], Reporter()) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split() == ["before", "after"]
    assert "noise in the pauses" in out
    assert "after is late by        0.0 ms" in out
    assert "out.png shows it" in err
    pixels = read_png(Path("out.png").read_bytes())
    assert pixels.shape == (1100, 1320, 3)
    assert _run(["compare", "a.wav", "b.wav", "--plot", "out.png"], Reporter()) == 1
    assert "--plot out.png exists and was left as it is; --force replaces it" in capsys.readouterr().err
    assert _run(["compare", "a.wav", "b.wav", "--plot", "out.png", "--force"], Reporter()) == 0


def test_other_rates_channels_and_lengths_are_brought_together_and_told(capsys):
    sample = load_sample(6.0)
    soxr = pytest.importorskip("soxr")
    write("a.wav", np.stack([sample.noisy] * 2, axis=1))
    write("b.wav", np.concatenate([np.zeros(480, np.float32), soxr.resample(sample.noisy[:48000], RATE, 48000)]), 48000)
    facts, err = compare(capsys)
    assert (facts["sample_rate"], facts["delay_ms"]) == (RATE, 10.0)
    assert abs(facts["noise_reduction_db"]) < 0.1
    assert "a.wav: 2 channels, downmixed" in err
    assert "b.wav: 48000 Hz, compared at 16000 Hz" in err
    assert "a.wav goes on for 3.0 s longer, which are left out" in err


def test_another_sound_and_silence_have_no_delay(speechlike, noise, capsys):
    write("a.wav", speechlike(2 * RATE))
    write("b.wav", noise(2 * RATE))
    facts, err = compare(capsys)
    assert facts["delay_ms"] is None
    assert "they do not seem to be the same sound" in err
    write("b.wav", np.zeros(2 * RATE, np.float32))
    facts, _ = compare(capsys, "--plot", "out.png")
    assert facts["delay_ms"] is None
    assert facts["noise_db"]["after"] == -120
    assert _run(["compare", "a.wav", "b.wav"], Reporter(-1)) == 0
    assert "not found" in capsys.readouterr().out


def test_sick_samples_do_no_harm(speechlike, capsys):
    sound = speechlike(RATE)
    write("a.wav", sound)
    sound[100], sound[200] = np.nan, np.inf
    write("b.wav", sound)
    facts, _ = compare(capsys, "--plot", "out.png")
    assert abs(facts["speech_reduction_db"]) < 0.1


def test_in_pieces_it_is_the_same(speechlike):
    """A long recording goes by in blocks; picture and delay do not see where they end."""
    write("a.wav", speechlike(3 * RATE))
    write("b.wav", np.concatenate([np.zeros(100, np.float32), 0.3 * speechlike(3 * RATE)]))
    pictures = []
    for length in (997, 16000, 48000):
        pair = Pair("a.wav", "b.wav")
        picture = Picture(pair.sample_rate, pair.length)
        blocks = list(pair.blocks(length))
        for block in blocks:
            picture.add(np.stack(block).astype(np.float64))
        assert sum(len(before) for before, _ in blocks) == 3 * RATE
        pictures.append(picture.png("title"))
    assert pictures[0] == pictures[1] == pictures[2]


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("seconds", [0.25, 20])
def test_the_picture_shows_what_was_taken_away_and_where(rate, seconds):
    time = np.arange(round(seconds * rate)) / rate
    low, high = (0.1 * np.sin(2 * np.pi * share * rate * time) for share in (0.1, 0.3))
    picture = Picture(rate, len(time))
    picture.add(np.stack([low + high, low + 0.01 * high]))
    pixels = read_png(picture.png("tones")).astype(int)
    height, left, width = (getattr(comparison_picture, name) for name in ("_SPECTROGRAM_HEIGHT", "_LEFT", "_WIDTH"))
    tops = [comparison_picture._TOP + 16 + i * (height + comparison_picture._GAP) for i in range(3)]
    before, after, gain = (pixels[top : top + height, left + width // 2] for top in tops)
    low_row, high_row = round(0.8 * height), round(0.4 * height)  # of the frequencies, from the top
    for panel in (before, after):
        assert panel[low_row - 3 : low_row + 4].sum(axis=1).max() > 500
    assert before[high_row - 3 : high_row + 4].sum(axis=1).max() > 500
    assert after[high_row - 3 : high_row + 4].sum(axis=1).max() < 400
    assert (gain[low_row - 1 : low_row + 2] > 240).all(), "white where nothing happened"
    red, _, blue = gain[high_row]
    assert blue > red + 60


def test_the_curves_say_the_gain(monkeypatch):
    drawn = {}
    monkeypatch.setattr(Canvas, "draw", lambda self, rows, left, top, height, ink: drawn.update({ink: rows}))
    noise = np.random.default_rng(0).standard_normal(4 * RATE)
    picture = Picture(RATE, len(noise))
    gain = np.where(np.arange(len(noise)) < 2 * RATE, 1.0, 10 ** (-15 / 20))
    picture.add(np.stack([0.1 * noise, 0.1 * gain * noise]))
    picture.png("")
    rows = drawn[(60, 60, 60)]
    assert len(rows) == 1100
    assert np.abs(rows[20:530]).max() < 0.02  # the panel reaches from 0 to -20 dB
    assert np.abs(rows[570:1080] - 0.75).max() < 0.02


def test_what_is_written_on_the_paper():
    canvas = Canvas(60, 20)
    canvas.write("1?é", 30, 2, shift=0.5)
    ink = (canvas.pixels != PAPER).any(axis=2)
    assert ink[2:18, 12:24].any()
    assert np.array_equal(ink[:, 24:36], ink[:, 36:48]), "what it has no letter for is a question mark"
    assert not ink[:, :12].any()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a.wav", "absent.wav"], 1, "absent.wav cannot be read: No such file"),
        (["a.wav", "short.wav"], 1, "have 0.10 s in common; 0.2 s or more can be compared"),
        (["a.wav", "a.wav", "--plot", "a.jpg"], 2, "--plot a.jpg: the picture is a PNG"),
        (["a.wav", "a.wav", "--plot", "no/a.png"], 2, "there is no folder no"),
        (["a.wav", "a.wav", "--plot", "old.png"], 1, "exists and was left as it is; --force replaces it"),
        (["a.wav", "a.wav", "--plot", "folder.png", "--force"], 1, "--plot folder.png could not be written"),
        (["a.wav"], 2, "Missing argument 'AFTER'"),
    ],
)
def test_what_goes_wrong_is_one_line(speechlike, folder, capsys, arguments, code, message):
    write("a.wav", speechlike(RATE))
    write("short.wav", speechlike(1600))
    (folder / "old.png").write_bytes(b"old")
    (folder / "folder.png").mkdir()
    assert _run(["compare", *arguments], Reporter()) == code
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert (folder / "old.png").read_bytes() == b"old"
