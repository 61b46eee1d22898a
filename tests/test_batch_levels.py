"""Hazard: the levels of the report are not those of the recording, or take memory as it gets longer."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from batch_folders import save

from rtdenoise.batch.levels import Loudness
from rtdenoise.batch.work import Task, Wishes, denoise_file, digest_of


def loudness(samples, rate=16000, block=16000):
    found = Loudness(rate)
    for first in range(0, len(samples), block):
        found.add(samples[first : first + block])
    return found


def test_pauses_do_not_lower_the_active_level(noise):
    talk = 0.5 * noise(16000)[:, np.newaxis]
    pause = 1e-4 * noise(16000 * 9)[:, np.newaxis]
    alone, paused = loudness(talk), loudness(np.concatenate([talk, pause]))
    assert alone.active_db == pytest.approx(alone.level_db, abs=0.01)
    assert paused.active_db == pytest.approx(alone.active_db, abs=0.05)
    assert paused.level_db == pytest.approx(alone.level_db - 10, abs=0.05)
    assert paused.peak_db == pytest.approx(20 * np.log10(np.abs(talk).max()), abs=1e-4)


def test_a_steady_sound_and_blocks_of_any_length():
    tone = np.sin(2 * np.pi * 440 * np.arange(44100 * 2) / 44100).astype(np.float32)[:, np.newaxis]
    for block in (1, 881, 44100):
        found = loudness(tone[: 20000 if block == 1 else None], 44100, block)
        assert found.level_db == pytest.approx(-3.01, abs=0.05)
        assert found.peak_db == pytest.approx(0, abs=0.01)
    assert loudness(np.repeat(tone, 3, axis=1), 44100).active_db == pytest.approx(-3.01, abs=0.05)


def test_silence_nothing_and_what_is_no_number():
    for samples in (np.zeros((0, 1)), np.zeros((100, 2)), np.full((100, 1), np.nan), np.full((100, 1), np.inf)):
        found = loudness(samples.astype(np.float32))
        assert (found.active_db, found.level_db, found.peak_db) == (-120, -120, -120)


def test_minutes_take_no_more_memory_than_seconds(identity, tmp_path):
    """A file that is streamed: 5 minutes are 9.6 MB as float32, before they are denoised and after."""
    wishes = Wishes(str(tmp_path), str(tmp_path / "out"), str(identity.path), digest_of(identity), None, None)
    peaks = []
    for name, seconds in (("warm", 1), ("short", 20), ("long", 300)):
        size = save(tmp_path / f"{name}.wav", seconds).stat().st_size
        tracemalloc.start()
        outcome = denoise_file(Task(f"{name}.wav", size, ""), wishes)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert outcome.facts["seconds"] == seconds
    assert peaks[2] < peaks[1] + 1e6
