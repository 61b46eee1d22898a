"""Hazard: work on compute threads starves others, loses its order or its errors, or stops the event loop."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from serving import run

from rtdenoise.serve.turns import Turns, at_once

pytestmark = pytest.mark.alone


def steps(name, count, log):
    for _ in range(count):
        log.append(name)
        yield
    return name


def test_long_work_lets_others_go_first_at_each_turn():
    async def scenario():
        turns, log, gate = Turns(1), [], threading.Event()

        def wait():
            gate.wait()

        first = turns.run(at_once(wait))  # so that all of the following lies there before it begins
        futures = [
            turns.run(steps("long", 4, log)),
            turns.run(steps("short", 1, log)),
            turns.run(steps("other", 2, log)),
        ]
        assert turns.waiting >= 3
        gate.set()
        done = await asyncio.gather(*futures)
        await first
        turns.close()
        return [one.value for one in done], log

    values, log = run(scenario())
    assert values == ["long", "short", "other"]
    assert log == ["long", "short", "other", "long", "other", "long", "long"]


def test_what_is_not_urgent_waits_but_is_done():
    async def scenario():
        turns, log, gate = Turns(1), [], threading.Event()
        first = turns.run(at_once(gate.wait))
        futures = [turns.run(steps("file", 2, log), urgent=False), turns.run(steps("live", 3, log))]
        gate.set()
        await asyncio.gather(first, *futures)
        turns.close()
        return log

    assert run(scenario()) == ["live"] * 3 + ["file"] * 2


def test_the_event_loop_goes_on_meanwhile_and_time_is_that_of_the_turns():
    async def scenario():
        turns = Turns(1)
        work = [turns.run(at_once(lambda s=seconds: time.sleep(s))) for seconds in (1.0, 0.1)]
        ticks = 0
        while not work[1].done():
            await asyncio.sleep(0.001)
            ticks += 1
        turns.close()
        return ticks, (await work[1]).seconds

    ticks, seconds = run(scenario())
    assert ticks > 10
    assert 0.1 <= seconds < 1.0  # not also the time in which it waited for the first one


def test_two_threads_work_at_the_same_time():
    async def scenario():
        turns, both = Turns(2), threading.Barrier(2, timeout=10)
        await asyncio.gather(*(turns.run(at_once(both.wait)) for _ in range(2)))
        turns.close()

    run(scenario())


def test_an_error_goes_to_whoever_waits_and_the_thread_goes_on():
    def fail():
        raise ZeroDivisionError("here")

    async def scenario():
        turns = Turns(1)
        bad, good = turns.run(at_once(fail)), turns.run(at_once(lambda: 7))
        with pytest.raises(ZeroDivisionError, match="here"):
            await bad
        assert (await good).value == 7
        turns.close()

    run(scenario())


def test_nobody_has_to_wait_for_a_result():
    async def scenario():
        turns = Turns(1)
        turns.run(at_once(lambda: 1)).cancel()
        assert (await turns.run(at_once(lambda: 2))).value == 2
        turns.close()
        assert not any(thread.name.startswith("rtdenoise-serve") for thread in threading.enumerate())

    run(scenario())
