"""Two clocks that differ: noticed by the level of the rings, and made good by playing a little faster or slower.

Two quartz crystals differ by some 20 to 300 millionths, a block every minute. What else moves the level, a stall or
lost input, moves it at once; only what creeps is a clock. After it was noticed, the mean level is held by a
proportional and an integral share (as in Adriaensen, "Controlling adaptive resampling", 2012, but slower).
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
        self._learnt: list[float] = []
        self._reference = self._earlier = 0.0
        self._last: float | None = None
        self._listened = 0.0  # seconds since then

    def restart(self) -> None:
        """Learn anew what the level is meant to be: it was set from outside."""
        self._learnt.clear()
        self._last, self._listened = None, 0.0
        self._sum = self._seconds = 0.0

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
        elif self.noticed:
            self._follow(level - self._reference, passed)
        else:
            self._listen(level, passed)

    def _listen(self, level: float, passed: float) -> None:
        """Add up what creeps; what jumps moves the reference."""
        if self._last is None:  # the second after a jump; the one of the jump belongs to neither side
            self._reference += level - self._earlier
            self._last = level
        elif abs(level - self._last) > self._jump(passed):
            self._last = None
            return
        self._earlier, self._last = self._last, level  # a jump may have begun a second before it was seen
        self._listened += passed
        crept = level - self._reference
        self._creeping = self._creeping + 1 if abs(crept) > _NOTICED * self._block_length else 0
        if self._creeping >= 2:
            self.noticed = True
            self._drift = _limited(crept / (self._listened * self._sample_rate))  # a first guess
            self._follow(crept, passed)

    def _follow(self, error: float, passed: float) -> None:
        seconds = error / self._sample_rate
        if abs(error) < self._block_length:  # more than a block is an accident, and says nothing about clocks
            self._drift = _limited(self._drift + _INTEGRAL * seconds * passed)
        self.correction = _limited(self._drift + _PROPORTIONAL * seconds)
        self.changes += 1

    def _jump(self, passed: float) -> float:
        return max(_FASTEST_CREEP * passed * self._sample_rate, 0.15 * self._block_length)


def _limited(correction: float) -> float:
    return min(max(correction, -LARGEST_CORRECTION), LARGEST_CORRECTION)
