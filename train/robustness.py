"""What a model does in situations that pairs do not show: each function makes one of them and gives its figures.

``python -m train.evaluate`` prints all of them; the tests hold the packaged model to floors on the same figures.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import soxr

from benchmarks.dataset import RATE, Float32, Pair, choose
from rtdenoise import Model, denoise

from . import scenes
from .metrics import level_db, share_db, si_sdr_db
from .mixing import coloured_noise, from_db, hum

NOISE_DBFS = -36.0
_SETTLED_SECONDS = 1.0


@dataclass(frozen=True)
class Figure:
    """One number, and between which it should lie (``None``: no limit)."""

    name: str
    value: float
    unit: str = "dB"
    at_least: float | None = None
    at_most: float | None = None

    @property
    def wanted(self) -> str:
        """The limits in words."""
        limits = (("at least", self.at_least), ("at most", self.at_most))
        return ", ".join(f"{word} {limit:g} {self.unit}".strip() for word, limit in limits if limit is not None)

    @property
    def decimals(self) -> int:
        """So many of ``value`` mean something."""
        return {"dB": 1, "ms": 0}.get(self.unit, 2)

    @property
    def reached(self) -> bool:
        """Whether it lies where it should."""
        low, high = self.at_least, self.at_most
        return (low is None or self.value >= low) and (high is None or self.value <= high)


def clean_speech(model: Model, pairs: list[Pair]) -> list[Figure]:
    """Clean speech is left alone, however loud; PESQ where it is installed."""
    figures = []
    some = scenes.utterances(choose(pairs, 8))
    for dbfs in (-45, -30, -18, -6):
        given = [scenes.at_level(speech, dbfs) for speech in some]
        got = [denoise(speech, RATE, model) for speech in given]
        figures.append(
            Figure(f"clean speech at {dbfs} dBFS: SI-SDR", _mean(map(si_sdr_db, got, given)), at_least=22),
        )
        if importlib.util.find_spec("pesq"):
            from benchmarks.metrics import pesq_wide

            opinion = _mean(map(pesq_wide, given, got))
            figures.append(Figure(f"clean speech at {dbfs} dBFS: PESQ-WB", opinion, "", at_least=4.0))
    return figures


def word_beginnings(model: Model, pairs: list[Pair]) -> list[Figure]:
    """How much of the first 100 ms after a pause comes through."""
    speech = scenes.talk(pairs, 30)
    parts = scenes.word_beginnings(speech)
    figures = []
    for title, given, least in (
        ("clean", speech, -1),
        ("at 10 dB SNR", scenes.in_their_noise(speech, pairs, 10), -2),
        ("at 5 dB SNR", scenes.in_their_noise(speech, pairs, 5), -3),
    ):
        got = denoise(given, RATE, model)
        kept = _mean(share_db(got[part], speech[part]) for part in parts)
        figures.append(Figure(f"beginnings of words kept, {title}", kept, at_least=least))
    return figures


def noise_alone(model: Model, pairs: list[Pair]) -> list[Figure]:
    """By how much noise gets quieter where nobody speaks; the first second does not count."""
    rng = np.random.default_rng(0)
    n = 5 * RATE
    made = {"white noise": rng.standard_normal(n), "coloured noise": coloured_noise(rng, n), "hum": hum(rng, n)}
    figures = [
        Figure(f"{kind} alone gets quieter by", _attenuation_db(model, noise), at_least=25)
        for kind, noise in made.items()
    ]
    recorded = [(kind, _attenuation_db(model, noise)) for kind, noise in scenes.noises(choose(pairs, 32))]
    kinds = sorted({kind for kind, _ in recorded})
    for kind in kinds if len(kinds) > 1 else []:
        figures.append(Figure(f"{kind} alone gets quieter by", _mean(found for k, found in recorded if k == kind)))
    everything = [found for _, found in recorded]
    return [
        *figures,
        Figure(f"the noises of {len(recorded)} pairs alone get quieter by", _mean(everything), at_least=25),
        Figure("one of them in ten gets quieter by less than", float(np.percentile(everything, 10))),
    ]


def competing(model: Model, pairs: list[Pair]) -> list[Figure]:
    """Music and other talkers, 5 dB below the talker: nothing gets worse that anybody hears, and the talker stays."""
    speech = scenes.talk(pairs, 30)
    figures = []
    for kind, other in (
        ("music", scenes.music(len(speech) / RATE)),
        ("a second talker", scenes.babble(speech, 1)),
        ("babble of six", scenes.babble(speech, 6)),
    ):
        given = scenes.in_noise(speech, other, 5)
        got = denoise(given, RATE, model)
        gain = float(si_sdr_db(got, speech) - si_sdr_db(given, speech))
        figures.append(Figure(f"{kind} at 5 dB SNR: SI-SDR gained", gain, at_least=-0.5))
        figures.append(Figure(f"{kind} at 5 dB SNR: speech kept", share_db(got, speech), at_least=-3))
    return figures


def sample_rates(model: Model, pairs: list[Pair]) -> list[Figure]:
    """The same speech in the same noise at 8 and 48 kHz as at 16 kHz, compared below 4 kHz."""
    speech = scenes.talk(pairs, 25)
    given = scenes.in_their_noise(speech, pairs, 10)
    wanted = soxr.resample(speech, RATE, 8000)

    def quality(rate: int) -> float:
        got = denoise(soxr.resample(given, RATE, rate), rate, model)
        return float(si_sdr_db(soxr.resample(got, rate, 8000), wanted))

    usual = quality(RATE)
    return [
        Figure(f"SI-SDR at {rate // 1000} kHz, against 16 kHz", quality(rate) - usual, at_least=-1)
        for rate in (8000, 48000)
    ]


def above_8_khz(model: Model, pairs: list[Pair]) -> list[Figure]:
    """At 48 kHz the bins that the model does not see follow those that it sees: no hiss stays, nothing gets dull."""
    rate = 48000
    speech = scenes.full_band(scenes.talk(pairs, 15))
    hiss = np.random.default_rng(0).standard_normal(len(speech)).astype(np.float32)
    noisy = scenes.in_noise(speech, hiss, 10)
    top = {
        name: scenes.band(samples, rate, 8000, rate / 2)
        for name, samples in {
            "speech": speech,
            "noisy": noisy,
            "from clean": denoise(speech, rate, model),
            "from noisy": denoise(noisy, rate, model),
        }.items()
    }
    # The first gap is also the model's beginning.
    gap = np.repeat(scenes.talk(pairs, 15) == 0, rate // RATE)
    gap[:rate] = False
    return [
        Figure("above 8 kHz: clean speech kept", share_db(top["from clean"], top["speech"]), at_least=-2),
        Figure(
            "above 8 kHz: speech in white noise at 10 dB kept", share_db(top["from noisy"], top["speech"]), at_least=-6
        ),
        Figure(
            "above 8 kHz: hiss in pauses gets quieter by",
            level_db(top["noisy"][gap]) - level_db(top["from noisy"][gap]),
            at_least=20,
        ),
    ]


def ten_minutes(model: Model, pairs: list[Pair], minutes: int = 10) -> list[Figure]:
    """A minute of speech in noise again and again: the last one comes out as the second did.

    The first one has the beginning of the stream in it, which is none of the drift.
    """
    n = 60 * RATE
    speech = np.resize(scenes.talk(pairs, 60), n)
    given = scenes.in_their_noise(speech, pairs, 10)
    got = denoise(np.tile(given, minutes), RATE, model)
    second, last = got[n : 2 * n], got[-n:]
    gap = speech == 0
    return [
        Figure(
            f"minute {minutes} against the second: SI-SDR",
            float(si_sdr_db(last, speech) - si_sdr_db(second, speech)),
            at_least=-0.2,
        ),
        Figure(
            f"minute {minutes} against the second: noise in pauses",
            level_db(last[gap]) - level_db(second[gap]),
            at_most=0.5,
        ),
    ]


def change_of_noise(model: Model, pairs: list[Pair]) -> list[Figure]:
    """How long after one noise became another there is more left of it than where it was there all along: 3 dB more, in
    the mean over some changes."""
    n, window = 3 * RATE, RATE // 10
    some = [from_db(NOISE_DBFS) * np.resize(noise, n) for _, noise in scenes.noises(choose(pairs, 8))]
    excess = []
    for before, after in zip(some, some[1:] + some[:1], strict=True):
        changed, constant = (
            denoise(np.concatenate([earlier, after]).astype(np.float32), RATE, model)[n:] for earlier in (before, after)
        )
        excess.append(_levels_db(changed, window) - _levels_db(constant, window))
    # What less is left after one change does not make up for what more is left after another.
    late = np.flatnonzero(np.maximum(excess, 0).mean(axis=0) > 3)
    seconds = float(late[-1] + 1) * window / RATE if len(late) else 0.0
    return [Figure("another noise: followed, to 3 dB, within", seconds, "s", at_most=2)]


def sudden_sounds(model: Model, pairs: list[Pair]) -> list[Figure]:
    """Speech after a slam or a shout is as loud as without one: no pumping."""
    speech = scenes.talk(pairs, 30)
    given = scenes.in_their_noise(speech, pairs, 20)
    undisturbed = denoise(given, RATE, model)
    window, span = RATE // 20, RATE
    starts = range(RATE, len(speech) - 2 * RATE, int(1.7 * RATE))
    figures = []
    for kind, sound in (("slam", scenes.slam()), ("shout", scenes.shout(speech))):
        disturbed = given.copy()
        for start in starts:
            disturbed[start : start + len(sound)] += sound
        got = denoise(disturbed, RATE, model)
        parts = np.array([np.arange(span) + start + len(sound) for start in starts])
        powers = [
            np.square(s[parts], dtype=np.float64).reshape(len(parts), -1, window).sum((0, 2))
            for s in (got, undisturbed)
        ]
        change = 10 * np.log10(powers[0] / powers[1])
        late = np.flatnonzero(np.abs(change) > 1)
        figures += [
            Figure(
                f"after a {kind}: speech is back, to 1 dB, within",
                float(late[-1] + 1) * 50 if len(late) else 0.0,
                "ms",
                at_most=200,
            ),
            Figure(
                f"after a {kind}: most that speech is quieter in the next second",
                float(max(0, -change.min())),
                at_most=3,
            ),
        ]
    return figures


Situation = Callable[[Model, list[Pair]], list[Figure]]
#: All of them, the longest first. Each takes a model and pairs, and needs no other recordings.
SITUATIONS: tuple[Situation, ...] = (
    ten_minutes, clean_speech, word_beginnings, noise_alone, competing, sample_rates, above_8_khz, change_of_noise,
    sudden_sounds,
)  # fmt: skip


def _attenuation_db(model: Model, noise: Float32) -> float:
    given = (noise / np.std(noise) * from_db(NOISE_DBFS)).astype(np.float32)
    settled = slice(int(_SETTLED_SECONDS * RATE), None)
    return level_db(given[settled]) - level_db(denoise(given, RATE, model)[settled])


def _levels_db(samples: Float32, window: int) -> Float32:
    """Level of each window in dBFS, nothing below -90."""
    powers = np.square(samples[: len(samples) // window * window].reshape(-1, window), dtype=np.float64).mean(axis=1)
    return 10 * np.log10(powers + 1e-9)


def _mean(found: Iterable[float]) -> float:
    return float(np.mean([*found]))
