"""What a mean over files is worth: intervals by bootstrap, differences by a paired test. Files are the sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

RESAMPLES = 10000
LEVEL = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean over ``n`` files with its interval at ``LEVEL``."""

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Difference(Mean):
    """A mean of paired differences, and the probability of one as large where there is none."""

    p: float


def mean_with_interval(values: ArrayLike) -> Mean:
    """Percentile bootstrap of the mean (Efron 1979), the same in every run; one file gives no interval."""
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return Mean(float(values.mean()), None, None, len(values))
    from scipy.stats import bootstrap

    how = {"n_resamples": RESAMPLES, "confidence_level": LEVEL, "method": "percentile", "batch": 1000}
    found = bootstrap((values,), np.mean, random_state=0, **how)
    return Mean(float(values.mean()), *map(float, found.confidence_interval), len(values))


def paired_difference(first: ArrayLike, second: ArrayLike) -> Difference:
    """``first - second``, file by file: two-sided permutation test of the mean, signs flipped (Fisher 1935).

    Exact up to some 13 files, by ``RESAMPLES`` random flips beyond; of fewer than two files p is 1.
    """
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    mean = mean_with_interval(differences)
    p = 1.0
    if len(differences) > 1:
        from scipy.stats import permutation_test

        how = {"permutation_type": "samples", "n_resamples": RESAMPLES, "batch": 1000, "vectorized": True}
        p = permutation_test((differences,), np.mean, random_state=0, **how).pvalue
    return Difference(mean.mean, mean.low, mean.high, mean.n, float(p))


def holm(p_values: list[float]) -> list[float]:
    """p-values that allow for how many comparisons are made (Holm 1979)."""
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p_values)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
