"""Hazard: who is ahead of real time passes for live, who is live for being ahead, or nobody ever has to wait."""

from __future__ import annotations

import pytest

from rtdenoise.serve.pace import Pace


def send(pace: Pace, blocks: int, seconds: float, every: float, begin: float = 0.0) -> list[tuple[bool, float]]:
    """Blocks of ``seconds``, one each ``every``: was each live, and how long it had to rest afterwards."""
    found = []
    for index in range(blocks):
        now = begin + index * every
        live = pace.is_live(now)
        pace.count(seconds, now)
        found.append((live, max(0.0, pace.rest(now))))
    return found


@pytest.mark.parametrize("seconds", [0.0025, 0.02, 0.1, 1.0])
def test_real_time_is_live_and_never_rests(seconds):
    assert send(Pace(1.0, 0.0), 200, seconds, seconds) == [(True, 0.0)] * 200


def test_a_network_that_holds_back_and_lets_go():
    """Ten blocks of 20 ms at once, each 200 ms."""
    pace = Pace(1.0, 0.0)
    for burst in range(1, 20):
        assert send(pace, 10, 0.02, 0.0, begin=0.2 * burst) == [(True, 0.0)] * 10


def test_a_file_is_not_live_and_rests():
    found = send(Pace(4.0, 0.0), 100, 1.0, 0.0)
    assert found[0] == (True, 0.0)
    assert not any(live for live, _ in found[1:])
    rests = [rest for _, rest in found]
    assert rests[7] == 0.0  # eight seconds at four times real time are the two that everybody may be ahead
    assert rests[-1] == 100 / 4 - 2


def test_without_a_limit_nobody_rests():
    assert send(Pace(float("inf"), 0.0), 1000, 1.0, 0.0)[-1] == (False, 0.0)


def test_who_was_late_may_catch_up_but_not_with_all_that_it_missed():
    pace = Pace(1.0, 0.0)
    found = [live for live, _ in send(pace, 500, 0.02, 0.0, begin=60.0)]
    assert found.count(True) == pytest.approx((2.0 + 0.2) / 0.02, abs=2)
    assert found == sorted(found, reverse=True)


def test_empty_messages_count():
    assert send(Pace(1.0, 0.0), 3000, 0.0, 0.0)[-1][1] == pytest.approx(1.0)
