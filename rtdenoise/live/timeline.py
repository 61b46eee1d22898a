"""Where the captured stream stands on the loudspeakers' clock.

The input device counts captured samples, the output device played ones. As long as the two clocks are one these are the
same; where they drift, or the devices have two rates, the worker stretches what it brings, and says here by how much.
"""

from __future__ import annotations

import math
from collections.abc import Callable

#: Longer than this after a callback of the input, nothing is assumed about what its device has collected.
_LONGEST_GUESS_SECONDS = 0.1


class Timeline:
    """From the captured to the played count. Each attribute has one writer and is replaced as a whole.

    Args:
        sample_rate: of the captured samples, in Hz.
        step: captured samples for each played one, to begin with.
        clock: the time in seconds.

    Attributes:
        arrival: how many samples were captured, and when the last of them came; written by the input callback.
        anchor: a captured count, the played count at that place, and the step from there on; written by the worker.
    """

    def __init__(self, sample_rate: int, step: float, clock: Callable[[], float]) -> None:
        self.arrival = (0, 0.0)
        self.anchor = (0.0, 0, step)
        self._sample_rate, self._clock = sample_rate, clock

    def arrive(self, captured: int) -> None:
        """Take down that ``captured`` samples have come in all, the last of them now."""
        self.arrival = (captured, self._clock())

    @property
    def captured(self) -> int:
        """What was captured, as the loudspeakers will count it."""
        captured, _ = self.arrival
        place, played, step = self.anchor
        return math.floor(played + (captured - place) / step)

    @property
    def collected(self) -> float:
        """What the input device has collected since its last callback, if it goes on as it should; counted as above."""
        _, seconds = self.arrival
        waited = min(max(0.0, self._clock() - seconds), _LONGEST_GUESS_SECONDS)
        return waited * self._sample_rate / self.anchor[2]
