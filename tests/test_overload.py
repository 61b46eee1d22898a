"""An engine that is too slow, or raises: the dry signal steps in, equally late and without a click, and steps back."""

from __future__ import annotations

import numpy as np
import pytest

from rtdenoise.live.clock import SimulatedDevice
from rtdenoise.live.session import Live
from rtdenoise.model import Model

pytestmark = pytest.mark.live

RATE = 16000
BLOCKS = RATE // 64  # a second's


class Heavy(Model):
    """A model that takes ``seconds`` for each hop by the clock of a device, and raises while ``fails`` is positive."""

    def __init__(self, model):
        super().__init__(model.path, model._session, model.transform)
        self.seconds, self.fails, self.time = 0.0, 0, None

    def advance(self, state):
        if self.time is not None:
            self.time.spend(self.seconds)
        if self.fails > 0:
            self.fails -= 1
            raise FloatingPointError("the model is out of its mind")
        super().advance(state)


@pytest.fixture
def rig(constant):
    """``rig(signal)``: a device, a `Live` with a model that halves everything, the model, and what was told."""
    opened = []

    def make(signal, **options):
        model, told = Heavy(constant(0.5)), []
        device = SimulatedDevice(RATE, signal, paced=False)
        live = Live(device, device, model=model, tell=told.append, **options)
        live.start()
        model.time = device.time
        opened.append(live)
        return device, live, model, told

    yield make
    for live in opened:
        live.stop()


def tone(seconds):
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def gain_at(device, live, second):
    """The gain of the tone in the fifth of a second from there on; fails where it is not where it should be."""
    late = round(live.latency_seconds * RATE)
    start = round(second * RATE)
    heard, sent = device.heard[start : start + RATE // 5, 0], device._signal[start - late :][: RATE // 5, 0]
    gain = np.dot(heard, sent) / np.dot(sent, sent)
    assert np.allclose(heard, gain * sent, atol=2e-3)
    return float(gain)


@pytest.mark.parametrize("load", [1.3, 3.0])
def test_a_slow_model_makes_way_for_the_dry_signal_and_comes_back(rig, load):
    device, live, model, told = rig(tone(30))
    device.step(2 * BLOCKS)
    before = live.latency_seconds
    model.seconds = load * 0.008
    device.step(2 * BLOCKS)
    assert live.stats.overloads == 1
    assert gain_at(device, live, 3.5) == pytest.approx(1.0, abs=1e-3)
    live.wait(0.01)
    model.seconds = 0.001
    device.step(6 * BLOCKS)
    live.wait(0.01)
    assert gain_at(device, live, 1.5) == gain_at(device, live, 9.5) == pytest.approx(0.5, abs=1e-3)
    assert live.stats.overloads == 1
    assert live.stats.underruns <= 4
    assert live.stats.underrun_samples < 0.1 * RATE
    assert 1.0 < live.stats.overload_seconds < 6.0
    assert live.latency_seconds == before
    assert [line for line in told if "too slow" in line] == told[:1] == told
    assert "1 overloads" in "\n".join(live.end_lines())
    heard = device.heard[:, 0]
    assert np.max(np.abs(np.diff(heard))) < 0.5  # edges are round: half of full scale would be a click


def test_a_model_that_stays_slow_is_tried_ever_more_rarely(rig):
    device, live, model, told = rig(tone(70))
    model.seconds = 0.016
    device.step(65 * BLOCKS)
    live.wait(0.01)
    assert live.stats.overloads == 1
    assert live.stats.hops < 20  # some until it was noticed, one for each trial
    assert live.stats.underrun_samples < 0.2 * RATE
    assert live.stats.overload_seconds == pytest.approx(65, abs=1)
    assert len(told) == 1


def test_single_late_hops_are_no_overload(rig):
    device, live, model, _ = rig(tone(10))
    for _ in range(20):
        model.seconds = 0.030
        device.step(2)
        model.seconds = 0.001
        device.step(100)
    assert live.stats.deadline_misses >= 20
    assert live.stats.overloads == 0
    assert live.stats.dry_samples == 0


def test_a_failing_engine_is_replaced_and_nothing_moves(rig):
    device, live, model, _ = rig(tone(20))
    device.step(2 * BLOCKS)
    model.fails = 1
    device.step(BLOCKS)
    assert live.stats.engine_failures == 1
    device.step(2 * BLOCKS)
    assert gain_at(device, live, 1.5) == pytest.approx(0.5, abs=1e-3)
    assert gain_at(device, live, 4.5) == pytest.approx(0.5, abs=1e-3)
    assert live.stats.underruns == 0
    assert 0.1 < live.stats.overload_seconds < 0.5
    assert np.max(np.abs(np.diff(device.heard[:, 0]))) < 0.12  # the tone's own steps are 0.09
    assert live.latency_seconds == pytest.approx(0.032)


def test_an_engine_that_fails_again_and_again_is_an_error(rig):
    device, _, model, _ = rig(tone(20))
    device.step(BLOCKS)
    model.fails = 100
    with pytest.raises(FloatingPointError, match="out of its mind"):
        device.step(BLOCKS)
    model.fails = 0
    device.step(BLOCKS)


def test_what_is_too_loud_is_turned_down_and_what_is_not_stays(rig):
    loud = np.concatenate([tone(1), 8 * tone(1), tone(4)])
    device, live, _, _ = rig(loud, bypass=True)
    device.step(6 * BLOCKS)
    assert np.max(np.abs(device.heard)) <= 1.0
    assert live.stats.limited_samples > 0.9 * RATE
    assert gain_at(device, live, 0.5) == pytest.approx(1.0, abs=1e-5)
    assert gain_at(device, live, 5.5) == pytest.approx(1.0, abs=1e-5)
