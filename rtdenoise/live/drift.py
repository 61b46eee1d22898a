"""Two clocks that differ: noticed by the level of the rings, and made good by playing a little faster or slower.

Two quartz crystals differ by some 20 to 300 millionths, a block every minute. What else moves the level, a stall or
lost input, moves it at once; only what creeps, and along a straight line, is a clock. After it was noticed, the mean
level is held by a proportional and an integral share (as in Adriaensen, "Controlling adaptive resampling", 2012, but
slower); where it jumps it is held at its new place, for no jump is worth a change of pitch.
"""

from __future__ import annotations

#: Ratio between the clocks that is made good at most; a tenth of a percent is a 60th of a semitone.
LARGEST_CORRECTION = 1e-3

_SECOND = 1.0
_LEARNING_SECONDS = 2  # of undisturbed level, for a reference
#: The level creeps by no more than this share of the time, or it was no clock that moved it.
_FASTEST_CREEP = 2e-3
#: Share of a block by which the level has crept when it counts as drift.
_NOTICED = 0.25
#: It crept along a straight line if so much of its variance lies on one, over at least so many seconds. Of a step it is
#: three quarters, or nine tenths if it began between two of the seconds that are compared.
_STRAIGHT, _LEAST_SECONDS = 0.92, 4.0
#: Of the loop: 0.06 radians a second, damped well; it settles in a minute and hardly follows the jitter.
_PROPORTIONAL, _INTEGRAL = 0.1, 0.0036


class DriftController:
    """Listens to the level and says how much faster to play. Until drift is noticed it says nothing.

    Args:
        sample_rate: of the played samples, in Hz.
        block_length: samples a callback, by which the level jitters.

    Attributes:
        noticed: whether the clocks have been found to differ; stays so.
        correction: 0.0003 means: play by 300 millionths faster than the output's clock says, as the input runs so.
        changes: how often ``correction`` was set.
    """

    def __init__(self, sample_rate: int, block_length: int) -> None:
        self.noticed = False
        self.correction = 0.0
        self.changes = 0
        self._sample_rate, self._block_length = sample_rate, block_length
        self._drift = 0.0  # the integral share
        self._sum, self._seconds = 0.0, 0.0
        self._creeping = 0  # seconds for which the level was away by so much
        self._line = _Line()
        self._learnt: list[float] = []
        self._reference = self._earlier = 0.0
        self._last: float | None = None

    def restart(self) -> None:
        """Learn anew what the level is meant to be: it was set from outside."""
        self._learnt.clear()
        self._last = None
        self._sum = self._seconds = 0.0
        self._listen_anew()

    def observe(self, level: float, seconds: float) -> None:
        """Take in the mean level, in samples, over the last ``seconds``; they add up to whole seconds."""
        self._sum += level * seconds
        self._seconds += seconds
        if self._seconds < _SECOND - 1e-6:
            return
        level, self._sum, passed, self._seconds = self._sum / self._seconds, 0.0, self._seconds, 0.0
        if len(self._learnt) < _LEARNING_SECONDS:
            self._learnt.append(level)
            self._reference = sum(self._learnt) / len(self._learnt)
            self._earlier = self._last = level
        elif self._came_creeping(level, passed):
            (self._follow if self.noticed else self._listen)(level - self._reference, passed)

    def _came_creeping(self, level: float, passed: float) -> bool:
        """Whether it did; a jump moves the reference, and the second of the jump belongs to neither side."""
        if self._last is None:  # the second after it
            self._reference += level - self._earlier
            self._last = level
        elif abs(level - self._last) > self._jump(passed):
            self._last = None
            return False
        self._earlier, self._last = self._last, level  # a jump may have begun a second before it was seen
        return True

    def _listen(self, crept: float, passed: float) -> None:
        self._line.add(passed, crept)
        far = abs(crept) / (_NOTICED * self._block_length)
        self._creeping = self._creeping + 1 if far > 1.0 else 0
        if self._creeping < 2 or self._line.seconds < _LEAST_SECONDS:
            return
        if self._line.straightness() < _STRAIGHT:
            if far > 2.0:
                self._reference += crept
                self._listen_anew()
            return
        self.noticed = True
        self._drift = _limited(self._line.slope() / self._sample_rate)  # a first guess
        self._follow(crept, passed)

    def _listen_anew(self) -> None:
        self._creeping, self._line = 0, _Line()

    def _follow(self, error: float, passed: float) -> None:
        seconds = error / self._sample_rate
        if abs(error) < self._block_length:  # more than a block is an accident, and says nothing about clocks
            self._drift = _limited(self._drift + _INTEGRAL * seconds * passed)
        self.correction = _limited(self._drift + _PROPORTIONAL * seconds)
        self.changes += 1

    def _jump(self, passed: float) -> float:
        return max(_FASTEST_CREEP * passed * self._sample_rate, 0.15 * self._block_length)


class _Line:
    """The straight line that fits best through a level over time."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._count = 0
        self._t = self._x = self._tt = self._tx = self._xx = 0.0

    def add(self, passed: float, level: float) -> None:
        """``passed`` seconds after the last one."""
        self.seconds += passed
        t = self.seconds
        self._count += 1
        self._t, self._x = self._t + t, self._x + level
        self._tt, self._tx, self._xx = self._tt + t * t, self._tx + t * level, self._xx + level * level

    def slope(self) -> float:
        """Of the line, a second."""
        return self._covariance() / (self._tt - self._t**2 / self._count)

    def straightness(self) -> float:
        """Share of the level's variance that lies on the line."""
        variance = self._xx - self._x**2 / self._count
        return self.slope() * self._covariance() / variance if variance > 0.0 else 1.0

    def _covariance(self) -> float:
        return self._tx - self._t * self._x / self._count


def _limited(correction: float) -> float:
    return min(max(correction, -LARGEST_CORRECTION), LARGEST_CORRECTION)
