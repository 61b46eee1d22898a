"""How fast a client sends: whether its sound is waited for, and when it has to rest."""

from __future__ import annotations

#: Sound that a client may be ahead of real time and still be waited for: what a network holds back and lets go at once.
_JITTER_SECONDS = 0.2
#: Sound that it may have missed and still be waited for, after a pause of its own or of ours.
_MISSED_SECONDS = 2.0
#: Sound that it may be ahead of its speed.
_AHEAD_SECONDS = 2.0
#: What a message counts for at least.
_LEAST_SECONDS = 0.001


class Pace:
    """Of one client. Times are by any clock, in seconds.

    Args:
        speed: times real time, that it may send at; 1 or more.
        now: when it began.
    """

    def __init__(self, speed: float, now: float) -> None:
        self._speed = speed
        self._real = now  # when what it has sent would end if it were played
        self._paid = now  # the same, played at ``speed``

    def is_live(self, now: float) -> bool:
        """Whether it is not ahead of real time, so that somebody may be waiting for what it sends now."""
        return self._real <= now + _JITTER_SECONDS

    def count(self, seconds: float, now: float) -> None:
        """A message came now, with so much sound."""
        seconds = max(seconds, _LEAST_SECONDS)
        self._real = max(self._real, now - _MISSED_SECONDS) + seconds
        self._paid = max(self._paid, now) + seconds / self._speed

    def rest(self, now: float) -> float:
        """How long it has to wait before its next message is read; 0 or less for not at all."""
        return self._paid - now - _AHEAD_SECONDS
