"""Hazard: a figure that does not see the fault it is there for. Models with one known fault each, and their figures."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.dataset import DataError, Pair
from benchmarks.default_set import default_pairs
from rtdenoise.model import Model
from train import robustness, scenes
from train.metrics import level_db, share_db, si_sdr_db
from train.robustness import Figure


class Faulty(Model):
    """All bins of a hop get one gain: ``gain(level, memory)``, from the hop's level and what it remembers of others."""

    def __init__(self, inner: Model, gain) -> None:
        self.__dict__.update(inner.__dict__)
        self.gain = gain

    def advance(self, state) -> None:
        memory = state.__dict__.setdefault("memory", {"hops": 0, "level": 0.0, "peak": 0.0})
        level = float(np.sqrt(np.mean(np.abs(state.frame) ** 2)))
        state.mask[:] = self.gain(level, memory)
        memory["hops"] += 1
        memory["level"] += 0.01 * (level - memory["level"])
        memory["peak"] = max(level, 0.997 * memory["peak"])


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return [pair for pair in default_pairs() if pair.noise in ("white", "fan")]


def figures(situation, model, pairs, **settings) -> dict[str, Figure]:
    return {figure.name: figure for figure in situation(model, pairs, **settings)}


def test_nothing_is_found_where_nothing_is_done(identity, pairs):
    for figure in robustness.clean_speech(identity, pairs) + robustness.word_beginnings(identity, pairs):
        assert figure.reached, figure
    for name, figure in figures(robustness.competing, identity, pairs).items():
        assert figure.value == pytest.approx(0, abs=0.05), name
    for situation in (robustness.change_of_noise, robustness.sudden_sounds, robustness.sample_rates):
        for figure in situation(identity, pairs):
            assert figure.value == pytest.approx(0, abs=0.05), figure
            assert figure.reached
    assert not any(figure.reached for figure in robustness.noise_alone(identity, pairs) if figure.wanted)


def test_one_gain_for_everything_is_what_the_figures_say(constant, pairs):
    tenth = constant(0.1)
    for situation in (robustness.noise_alone, robustness.word_beginnings):
        for figure in situation(tenth, pairs):
            assert abs(figure.value) == pytest.approx(20, abs=0.4), figure
    above = figures(robustness.above_8_khz, tenth, pairs)
    assert above["above 8 kHz: clean speech kept"].value == pytest.approx(-20, abs=0.1)
    assert above["above 8 kHz: hiss in pauses gets quieter by"].value == pytest.approx(20, abs=0.1)


def test_a_gate_that_opens_late_cuts_beginnings(identity, pairs):
    gate = Faulty(identity, lambda level, memory: 0.03 if level > 3 * memory["level"] else 1.0)
    found = figures(robustness.word_beginnings, gate, pairs)
    assert found["beginnings of words kept, clean"].value < -3
    assert not found["beginnings of words kept, clean"].reached


def test_a_compressor_pumps(identity, pairs):
    pumping = Faulty(identity, lambda level, memory: 0.5 if memory["peak"] > 6 * memory["level"] + 1e-3 else 1.0)
    found = figures(robustness.sudden_sounds, pumping, pairs)
    assert found["after a slam: most that speech is quieter in the next second"].value > 3
    assert found["after a slam: speech is back, to 1 dB, within"].value > 200


def test_a_gain_that_fades_drifts(identity, pairs):
    fading = Faulty(identity, lambda level, memory: 1 + memory["hops"] * 1e-4)
    found = figures(robustness.ten_minutes, fading, pairs, minutes=3)
    assert not found["minute 3 against the second: noise in pauses"].reached


def test_an_estimate_that_learns_slowly_follows_late(identity):
    def gain(level, memory):
        return 0.05 if level < 2 * memory["level"] else 1.0

    steady, ending = np.random.default_rng(0).standard_normal((2, 48000)).astype(np.float32)
    ending[16000:] *= 0.001
    clean = default_pairs()[0].clean[:48000]
    pairs = [Pair(str(i), clean, clean + noise) for i, noise in enumerate((steady, ending))]
    (figure,) = robustness.change_of_noise(Faulty(identity, gain), pairs)
    assert figure.value == pytest.approx(0.6, abs=0.11)


def test_levels_and_shares_are_those_of_the_formula(noise):
    speech, other = noise(16000, 1), noise(16000, 2)
    other -= np.dot(other, speech) / np.dot(speech, speech) * speech
    assert share_db(0.5 * speech + other, speech) == pytest.approx(-6.02, abs=0.01)
    assert share_db(0 * speech, speech) == pytest.approx(-40)
    assert level_db(np.full(100, 0.1)) == pytest.approx(-20)
    mixed = scenes.in_noise(scenes.talk(default_pairs(), 10), noise(160000), 5)
    assert float(si_sdr_db(mixed, scenes.talk(default_pairs(), 10))) == pytest.approx(5, abs=3)


def test_a_full_band_voice_is_itself_below_8_khz_and_goes_on_above():
    speech = scenes.talk(default_pairs(), 10)
    wide = scenes.full_band(speech)
    assert share_db(scenes.band(wide, 48000, 0, 7900)[::3], scenes.band(speech, 16000, 0, 7900)) == pytest.approx(
        0, abs=0.05
    )
    assert level_db(scenes.band(wide, 48000, 8000, 12000)) > level_db(scenes.band(speech, 16000, 4000, 8000)) - 9
    assert level_db(scenes.band(wide, 48000, 16000, 24000)) < -100


def test_pairs_without_noise_are_refused():
    clean = default_pairs()[0].clean
    with pytest.raises(DataError, match="noisy/ holds what clean/ holds"):
        scenes.noises([Pair("same", clean, clean)])
