"""A stream on a driver that starts in bursts: silence until the level stands still, then the level asked for."""

from __future__ import annotations

import numpy as np
import pytest

from rtdenoise.live.playout import LivePlayout
from rtdenoise.live.ring_buffer import RingBuffer
from rtdenoise.live.timeline import Timeline
from rtdenoise.stats import Stats

BLOCK, WINDOW, PREFILL = 64, 1600, 100
EDGE = 40  # samples over which the beginning is rounded


class Driver:
    """Captures counted samples (1, 2, 3, ...), which are denoised at once, and plays them."""

    def __init__(self):
        self.timeline, self.denoised = Timeline(16000, 1.0, lambda: 0.0), RingBuffer(1 << 14)
        self.stats = Stats(16000, 0.008)
        self.playout = LivePlayout(
            self.timeline, self.denoised, self.stats, window=WINDOW, tolerance=BLOCK, settle=True
        )
        self.playout.prefill = PREFILL
        self.count = 0
        self.levels = []

    def capture(self, blocks=1):
        samples = np.arange(self.count + 1, self.count + 1 + blocks * BLOCK, dtype=np.float32)
        self.count += len(samples)
        self.denoised.write(samples)
        self.timeline.arrive(self.count)

    def play(self):
        out = np.full(BLOCK, np.nan, np.float32)
        self.playout.play(out)
        if out.any():
            self.levels.append(self.count - int(out[-1]))
        return out

    def run(self, blocks):
        """Both in step; what was played."""
        played = []
        for _ in range(blocks):
            self.capture()
            played.append(self.play())
        return np.concatenate(played)


def test_before_anything_is_captured_there_is_silence():
    driver = Driver()
    assert not np.concatenate([driver.play() for _ in range(100)]).any()
    assert not driver.playout.settled


@pytest.mark.parametrize("burst", [0, 1, 20])
def test_after_a_burst_the_stream_begins_at_its_level_and_nothing_counts_as_lost(burst):
    driver = Driver()
    silent = driver.run(8)
    driver.capture(burst)
    played = driver.run(200)
    begin = int(np.flatnonzero(played)[0])
    assert driver.playout.settled
    assert not silent.any()
    assert begin <= 3 * WINDOW
    steady = played[begin + EDGE :]
    assert np.array_equal(steady, np.arange(steady[0], steady[0] + len(steady)))
    assert set(driver.levels) == {PREFILL}
    assert driver.playout.mean_level == PREFILL
    assert driver.stats.clean


def test_a_level_that_swings_is_set_by_its_lowest():
    driver = Driver()
    for _ in range(200):  # the driver brings two blocks at a time, and fetches one
        driver.capture(2)
        driver.play()
        driver.play()
    assert min(driver.levels) == PREFILL
    assert max(driver.levels) == PREFILL + BLOCK
    assert driver.playout.mean_level == pytest.approx(PREFILL + BLOCK / 2, abs=BLOCK / 2)
    assert driver.stats.clean


def test_a_driver_that_never_calms_down_is_played_all_the_same():
    driver = Driver()
    for turn in range(60):
        driver.capture(5 if turn % 2 else 1)
        for _ in range(3):
            driver.play()
        driver.capture(turn % 7 * 3)
    assert driver.playout.settled
    assert driver.levels


@pytest.mark.parametrize(("late", "corrections"), [(10, 0), (40, 1), (-40, 0), (-70, 1)])
def test_a_level_that_stays_off_is_set_back(late, corrections):
    """Half a block too much, as a stall leaves, goes as well: the server may have kept some of its own."""
    driver = Driver()
    driver.run(200)
    driver.playout.position -= late  # more waits from now on
    driver.run(3 * WINDOW // BLOCK + 40)
    assert driver.stats.latency_corrections == corrections
    driver.levels.clear()
    driver.run(200)
    assert set(driver.levels) == {PREFILL if corrections else PREFILL + late}
