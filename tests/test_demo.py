"""The demo: a sample that is what its generator says, figures that are right, and a run from end to end."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import interrupt, run, start
from conftest import snr_db
from png import read_png
from real_server import needs_server, start_server

import rtdenoise
from rtdenoise.commands.demo import align, load_sample, noise_in_pauses_db, run_demo, si_sdr_db
from rtdenoise.commands.reporter import Reporter
from rtdenoise.commands.spectrogram import colour, draw_before_after, level_db
from rtdenoise.errors import AudioFileError, ParameterError

GENERATOR = Path(__file__).parent.parent / "tools" / "make_demo_sample.py"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("make_demo_sample", GENERATOR)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_noisy_sample_is_the_clean_one_and_the_noise_of_the_generator(generator):
    sample = load_sample()
    clean = np.round(sample.clean * 32768).astype(np.int16)
    again = generator.add_noise(clean)
    step = 2 ** (16 - generator.NOISY_BITS)
    assert np.abs(again.astype(int) - np.round(sample.noisy * 32768).astype(int)).max() <= step  # rounding elsewhere
    assert np.mean(again == np.round(sample.noisy * 32768)) > 0.999


def test_the_sample_is_at_the_stated_level(generator):
    sample = load_sample()
    assert sample.sample_rate == generator.SAMPLE_RATE
    assert len(sample.clean) == len(sample.noisy) == generator.SECONDS * generator.SAMPLE_RATE
    assert np.abs(sample.noisy).max() < 0.99
    spoken = np.abs(sample.clean) > 1e-3
    noise = sample.noisy - sample.clean
    snr = 10 * np.log10(np.mean(sample.clean[spoken] ** 2) / np.mean(noise**2))
    assert abs(snr - generator.SNR_DB) < 2.5  # active samples here, whole sentences there


def test_si_sdr_is_that_of_the_paper(noise):
    clean, other = noise(16000, 1), noise(16000, 2)
    other = other - clean * (other @ clean) / (clean @ clean)
    other *= np.sqrt((clean @ clean) / (other @ other))
    assert abs(si_sdr_db(clean + 0.1 * other, clean) - 20) < 1e-3
    assert abs(si_sdr_db(0.3 * (clean + 0.1 * other), clean) - 20) < 1e-3


def test_noise_is_measured_where_nobody_speaks():
    sample = load_sample()
    assert noise_in_pauses_db(sample.clean, sample) < -70
    halved = sample.clean + 0.5 * (sample.noisy - sample.clean)
    drop = noise_in_pauses_db(sample.noisy, sample) - noise_in_pauses_db(halved, sample)
    assert abs(drop - 6.02) < 0.05
    louder_speech = sample.noisy + 3 * sample.clean
    assert abs(noise_in_pauses_db(louder_speech, sample) - noise_in_pauses_db(sample.noisy, sample)) < 0.1


@pytest.mark.parametrize("late", [0, 1, 448, 5000])
def test_what_was_heard_is_laid_over_what_was_sent(noise, late):
    signal = noise(20000)
    heard = np.concatenate([np.zeros(late, np.float32), signal])[:21000]
    after, found = align(heard, signal, 16000)
    assert found == late
    assert len(after) == len(signal)
    assert np.array_equal(after[: 21000 - late], signal[: 21000 - late])


def test_the_picture_shows_both_with_before_on_top():
    time = np.arange(32000) / 16000
    low, high = (np.sin(2 * np.pi * f * time).astype(np.float32) for f in (1000, 6000))
    pixels = read_png(draw_before_after(low, high, 16000)).sum(axis=2)
    height, width = pixels.shape
    assert width >= 200
    column = np.where(pixels[:, width // 2] < pixels[4, 4], pixels[:, width // 2], 0)  # without paper
    place_low = np.argmax(column[: height // 2]) / (height // 2)
    place_high = np.argmax(column[height // 2 :]) / (height // 2)
    assert place_low > 0.8  # low frequencies are at the bottom of a panel
    assert 0.25 < place_high < 0.45
    paper = pixels[4, 4]
    assert (pixels[14:30, 12:90] != paper).any()  # the word above the panel


def test_levels_are_those_of_the_signal():
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    levels = level_db(tone.astype(np.float32), 16000)
    assert levels.shape == (257, 100)
    assert abs(levels[:, 50].max() - -20) < 0.1
    assert np.argmax(levels[::-1, 50]) == 32


def test_colours_grow_evenly_brighter():
    ramp = colour(np.linspace(0, 1, 256)) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(ramp) > -1).all()
    assert ramp[0] < 5
    assert ramp[-1] > 220


def test_what_is_asked_for_too_short_or_in_the_wrong_place(tmp_path):
    with pytest.raises(ParameterError, match="--seconds 1 is too short for a demo; take 2 or more"):
        load_sample(1)
    (tmp_path / "file").touch()
    with pytest.raises(AudioFileError, match="cannot be made"):
        run_demo(Reporter(-1), seconds=None, output_dir=str(tmp_path / "file"), play=False)
    (tmp_path / "out" / "spectrograms.png").mkdir(parents=True)
    with pytest.raises(AudioFileError, match="could not be written: Is a directory"):
        run_demo(Reporter(-1), seconds=2, output_dir=str(tmp_path / "out"), play=False)


def figures(text: str) -> dict[str, list[float]]:
    rows = [re.match(r"(\S.*?)  +(.*)", line) for line in text.splitlines()]
    return {row.group(1): [float(x) for x in re.findall(r"-?\d+\.?\d*", row.group(2))] for row in rows if row}


def check_outputs(folder: Path, seconds: float, printed: dict[str, list[float]]) -> None:
    sample = load_sample(seconds)
    before, rate = soundfile.read(folder / "before.wav", dtype="float32")
    after = soundfile.read(folder / "after.wav", dtype="float32")[0]
    assert rate == sample.sample_rate
    assert np.array_equal(before, sample.noisy)
    assert len(after) == len(before)
    if printed["underruns"] == [0]:
        assert snr_db(rtdenoise.denoise(sample.noisy, rate), after) > 60
    for name, measure in (
        ("SI-SDR", lambda x: si_sdr_db(x, sample.clean)),
        ("noise in the pauses", lambda x: noise_in_pauses_db(x, sample)),
    ):
        assert np.allclose(printed[name][:2], [measure(before), measure(after)], atol=0.1)
    pixels = read_png((folder / "spectrograms.png").read_bytes())
    assert pixels.shape[1] > 100 * seconds


def test_a_run_through_the_simulated_device(tmp_path):
    outcome = run("demo", "--seconds", "3", "--no-play", "--output-dir", tmp_path / "out")
    assert outcome.code == 0
    assert "simulated device -> simulated device, 16000 Hz, model stream" in outcome.err
    printed = figures(outcome.out.decode())
    check_outputs(tmp_path / "out", 3, printed)
    stated, heard = printed["latency"][:2]
    assert printed["underruns"] != [0] or abs(stated - heard) < 0.1


@pytest.mark.live
@needs_server
def test_a_run_through_real_loudspeakers(tmp_path):
    server = start_server(16000)
    try:
        with server.recording("speakers.monitor") as recorded:
            outcome = run("demo", "--seconds", "3", "--output-dir", tmp_path / "out",
                          env=server.environment | {"PULSE_SINK": "speakers"})  # fmt: skip
        assert outcome.code == 0
        printed = figures(outcome.out.decode())
        check_outputs(tmp_path / "out", 3, printed)
        assert "demo sample -> " in outcome.err
        assert np.abs(recorded[0]).max() > 0.05
    finally:
        server.stop()


def test_ctrl_c_during_the_demo(tmp_path):
    process = start("demo", "--no-play", "--output-dir", tmp_path)
    assert b"simulated device" in process.stderr.readline()
    outcome = interrupt(process)
    assert (outcome.code, outcome.out) == (130, b"")
    assert "Traceback" not in outcome.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(subprocess.call("command -v espeak-ng >/dev/null", shell=True) != 0, reason="no espeak-ng here")
def test_the_generator_runs_and_repeats_itself(tmp_path, generator):
    for name in ("a", "b"):
        subprocess.run([sys.executable, GENERATOR, tmp_path / name], check=True, capture_output=True)
    for name in ("demo_clean.flac", "demo_noisy.flac"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sum(path.stat().st_size for path in (tmp_path / "a").iterdir()) < 300_000
