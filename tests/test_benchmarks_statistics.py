"""Hazard: differences that are chance, called progress; and the other way round."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.statistics import holm, mean_with_interval, paired_difference


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    found = [mean_with_interval(rng.normal(3.0, 1.0, 60)) for _ in range(60)]
    held = sum(mean.low < 3.0 < mean.high for mean in found)
    assert 51 <= held <= 60  # 57 expected; less than 51 would be seen once in 300
    assert np.mean([mean.high - mean.low for mean in found]) == pytest.approx(2 * 1.96 / np.sqrt(60), rel=0.1)


def test_the_same_values_give_the_same_interval():
    values = np.random.default_rng(1).random(20)
    assert mean_with_interval(values) == mean_with_interval(values.copy())


def test_one_file_has_no_interval():
    mean = mean_with_interval([2.5])
    assert (mean.mean, mean.low, mean.high, mean.n) == (2.5, None, None, 1)
    assert paired_difference([2.0], [1.0]).p == 1.0


def test_equal_values_have_an_interval_of_nothing():
    mean = mean_with_interval([1.5] * 5)
    assert (mean.low, mean.high) == (1.5, 1.5)


def test_the_paired_test_is_exact_for_few_files():
    # All of 2**n signs: two of them are as extreme.
    assert paired_difference([1, 2, 3, 4], [0, 0, 0, 0]).p == pytest.approx(2 / 16)
    assert paired_difference([1, 2, 3], [1, 2, 3]).p == 1.0


def test_a_small_steady_difference_is_found_under_a_large_spread_and_chance_is_not():
    rng = np.random.default_rng(2)
    files = rng.normal(2.0, 1.0, 80)
    steady = paired_difference(files + 0.05 + 0.05 * rng.standard_normal(80), files)
    assert steady.p < 0.001
    assert 0 < steady.low < 0.05 < steady.high
    ps = [paired_difference(rng.standard_normal(20), rng.standard_normal(20)).p for _ in range(40)]
    assert sum(p < 0.05 for p in ps) <= 6


def test_many_comparisons_are_allowed_for():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
