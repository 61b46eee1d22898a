"""One figure of a benchmark as a sample of measurements, so that two runs can be held against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .statistics import LEVEL, paired_difference

RESAMPLES = 4000
#: Two runs of the same program on one machine differ by this much in time, whatever one run's own spread says.
TIME_NOISE = 0.05


@dataclass(frozen=True)
class Figure:
    """Measurements of one thing.

    Attributes:
        values: repeated measurements, above zero; or scores, one a recording.
        names: of the recordings, for scores, which are compared recording by recording.
        higher_is_better: for a score or a throughput.
        decimals: of a score, that mean something.
    """

    values: list[float]
    names: list[str] | None = None
    higher_is_better: bool = False
    decimals: int = 2

    @property
    def typical(self) -> float:
        """The median of repeated measurements, the mean of scores."""
        return float(np.median(self.values) if self.names is None else np.mean(self.values))


@dataclass(frozen=True)
class Change:
    """How a figure differs from an older one: a ratio new over old, for scores a difference new minus old.

    Attributes:
        low, high: its interval, None where one measurement gives none.
        beyond_noise: the interval leaves out "no change", and a ratio is off by more than `TIME_NOISE`.
        better: in the direction that is wanted.
    """

    old: float
    new: float
    change: float
    low: float | None
    high: float | None
    beyond_noise: bool
    better: bool


def compare(old: Figure, new: Figure) -> Change | None:
    """None where there is nothing to compare: no recording in common."""
    return _compare_times(old, new) if new.names is None else _compare_scores(old, new)


def _compare_times(old: Figure, new: Figure) -> Change:
    rng = np.random.default_rng(0)
    medians = [np.median(rng.choice(figure.values, (RESAMPLES, len(figure.values))), axis=1) for figure in (new, old)]
    tail = 100 * (1 - LEVEL) / 2
    low, high = map(float, np.percentile(medians[0] / medians[1], (tail, 100 - tail)))
    ratio = new.typical / old.typical
    beyond = (low > 1 or high < 1) and abs(ratio - 1) > TIME_NOISE
    repeated = min(len(old.values), len(new.values)) > 1
    better = (ratio > 1) == new.higher_is_better
    return Change(old.typical, new.typical, ratio, *((low, high) if repeated else (None, None)), beyond, better)


def _compare_scores(old: Figure, new: Figure) -> Change | None:
    before = dict(zip(old.names or [], old.values, strict=True))
    both = [(score, before[name]) for name, score in zip(new.names or [], new.values, strict=True) if name in before]
    if not both:
        return None
    first, second = map(list, zip(*both, strict=True))
    found = paired_difference(first, second)
    beyond = found.p < 1 - LEVEL and round(abs(found.mean), new.decimals) > 0
    better = (found.mean > 0) == new.higher_is_better
    means = float(np.mean(second)), float(np.mean(first))
    return Change(*means, found.mean, found.low, found.high, beyond, better)
