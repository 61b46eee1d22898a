"""Percentiles against numpy, levels against their definition, counters that say what happened."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rtdenoise.errors import ParameterError
from rtdenoise.stats import LevelMeter, LoadHistogram, Stats, decibels


@pytest.mark.parametrize("percent", [0, 1, 50, 90, 99, 99.9, 100])
@pytest.mark.parametrize("deadline_seconds", [0.008, 0.1])
def test_percentiles_are_those_of_numpy_to_one_percent(percent, deadline_seconds):
    seconds = np.random.default_rng(3).lognormal(-6, 1.5, 10_000)
    histogram = LoadHistogram(deadline_seconds)
    for value in seconds:
        histogram.record(value)
    expected = np.percentile(seconds, percent, method="inverted_cdf") / deadline_seconds
    assert expected * 0.999999 <= histogram.percentile(percent) <= expected * 1.010001


def test_extremes_are_kept_and_the_maximum_is_exact():
    histogram = LoadHistogram(0.01)
    for seconds in (0.0, 1e-12, 0.003, 123.456):
        histogram.record(seconds)
    assert histogram.count == 4
    assert histogram.maximum == 123.456 / 0.01
    assert histogram.percentile(25) <= 1e-4
    assert 0.3 <= histogram.percentile(75) <= 0.3031
    assert histogram.percentile(100) <= histogram.maximum


def test_before_the_first_hop_everything_is_zero():
    histogram = LoadHistogram(0.008)
    assert histogram.percentile(50) == histogram.percentile(100) == histogram.maximum == 0.0


@pytest.mark.parametrize("percent", [-1, 100.5, float("nan")])
def test_a_percentage_outside_0_to_100_is_refused(percent):
    with pytest.raises(ParameterError, match="outside 0 to 100"):
        LoadHistogram(1.0).percentile(percent)


@pytest.mark.parametrize("deadline_seconds", [0, -1.0, float("nan")])
def test_a_deadline_that_is_no_time_is_refused(deadline_seconds):
    with pytest.raises(ParameterError, match="deadline_seconds"):
        LoadHistogram(deadline_seconds)


def test_a_sine_settles_at_its_peak_and_rms():
    meter = LevelMeter(16000)
    sine = (0.5 * np.sin(2 * np.pi * 500 / 16000 * np.arange(48000))).astype(np.float32)
    for block in np.split(sine, 375):
        meter.update(block)
    assert meter.peak == pytest.approx(0.5, rel=1e-3)
    assert meter.rms_db == pytest.approx(decibels(0.5) - 3.01, abs=0.01)


def test_a_peak_falls_by_20_db_in_a_second_whatever_the_blocks():
    for blocks in (1, 10, 160):
        meter = LevelMeter(16000)
        meter.update(np.full(160, -1.0, dtype=np.float32))
        for block in np.split(np.zeros(16000, dtype=np.float32), blocks):
            meter.update(block)
        assert meter.peak_db == pytest.approx(-20, abs=0.01)


def test_no_samples_change_no_level_and_silence_has_one():
    meter = LevelMeter(16000)
    meter.update(np.zeros(0, dtype=np.float32))
    assert (meter.peak, meter.rms, meter.peak_db, meter.rms_db) == (0.0, 0.0, -120.0, -120.0)


def test_hops_past_their_deadline_are_counted_one_by_one():
    stats = Stats(16000, 0.008)
    stats.record_hops(3, 0.003)
    stats.record_hops(2, 0.020)
    stats.record_hops(0, 5.0)
    assert (stats.hops, stats.deadline_misses) == (5, 2)


LOSSES = "overruns underruns late_samples dropped_samples latency_corrections input_overflows output_underflows"


@pytest.mark.parametrize("counter", LOSSES.split())
def test_every_kind_of_loss_makes_the_stream_unclean(counter):
    stats = Stats(16000, 0.008)
    assert stats.clean
    setattr(stats, counter, 1)
    assert not stats.clean
    assert stats.as_dict()[counter] == 1


def test_counters_are_told_in_milliseconds_to_people_and_survive_json():
    stats = Stats(16000, 0.008)
    stats.record_hops(10, 0.010)
    stats.underruns, stats.underrun_samples, stats.late_samples, stats.dropped_samples = 2, 320, 160, 16
    text = "\n".join(stats.lines())
    assert "hops       10 of 8 ms, 0 late" in text
    assert "underruns  2 (20.0 ms), driver 0" in text
    assert "overruns   0, driver 0" in text
    assert "late       11.0 ms thrown away" in text
    assert json.loads(json.dumps(stats.as_dict())) == stats.as_dict()
    assert stats.as_dict()["load"]["p50"] == pytest.approx(0.125, rel=0.011)


@pytest.mark.parametrize("nonsense", [np.nan, np.inf, -np.inf, 1e30])
def test_a_level_survives_samples_that_are_no_sound(nonsense):
    meter = LevelMeter(16000)
    meter.update(np.full(100, 0.5, np.float32))
    before = meter.peak, meter.rms
    meter.update(np.array([0.1, nonsense, 0.1], np.float32))
    assert (meter.peak, meter.rms) == before
