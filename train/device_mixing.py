"""Noisy speech made where the net is: all recordings are uploaded once, every batch is one compiled function of a plan.

Nothing is drawn here; ``plan.py`` draws, from the same ``MixConfig`` as the mixer on the host. Filters and rooms are
products of spectra, playing speed is interpolation by a windowed sinc.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from .compiled import compiled
from .config import TrainConfig
from .data import RATE
from .errors import DataError
from .material import Material
from .mixing import Recordings, room_response
from .plan import Places, Plan, Planner, synthetic_noises

#: Samples of a recording that make one of another speed.
TAPS = 16
#: Samples over which one noise becomes another.
FADE = 400
_ACTIVE_FRAME = 320
_NOISE_SECONDS = 4.0


class DeviceMixer:
    """Makes batches after a configuration; memory on the device is two bytes a sample, 115 MB an hour.

    Args:
        config: of the run.
        material: what it hears.

    Raises:
        DataError: more audio than 32-bit positions reach, 37 hours.
    """

    def __init__(self, config: TrainConfig, material: Material) -> None:
        self.n = int(config.mix.crop_seconds * RATE)
        rng = np.random.default_rng([config.seed, 2**32 - 1])
        noise_length = max(self.n, int(_NOISE_SECONDS * RATE))
        voices = Recordings(material.speech, config.mix.speech_weights)
        synthetic = synthetic_noises(rng, config.device_noises, noise_length, voices)
        parts = [material.speech.samples, material.noise.samples, synthetic.reshape(-1)]
        check_size(sum(map(len, parts)))
        self.audio = keras.Variable(np.concatenate(parts), dtype="int16", trainable=False, name="audio")
        rooms = [np.ones(1, np.float32)] + [room_response(rng, material.rooms) for _ in range(config.device_rooms)]
        early = int(config.mix.early_seconds * RATE)
        self.length = next_fast_len(self.n + max(map(len, rooms)), real=True)
        self.length += self.length % 2
        self.rooms = keras.Variable(self._spectra(rooms), trainable=False, name="rooms")
        self.early_rooms = keras.Variable(
            self._spectra([r[:early] for r in rooms]), trainable=False, name="early_rooms"
        )
        bases = np.cumsum([0, *map(len, parts)])
        self.planner = Planner(
            config.mix,
            Places(material.speech, config.mix.speech_weights, int(bases[0])),
            Places(material.noise, config.mix.noise_weights, int(bases[1])),
            (int(bases[2]), noise_length, config.device_noises),
            len(rooms),
        )
        self._mix = compiled(lambda *plan: self._mixed(Plan(*plan)), [self.audio, self.rooms, self.early_rooms])

    def batch(self, seed: int, number: int, size: int) -> tuple[Any, Any]:
        """Batch ``number`` of the run ``seed``: ``(noisy, clean)``, each ``(size, samples)`` float32 on the device."""
        return self._mix(*self.planner.draw(np.random.default_rng([seed, number]), size, self.n))

    def _spectra(self, responses: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """``(responses, bins, 2)``."""
        spectra = np.fft.rfft(np.stack([np.pad(r, (0, self.length - len(r))) for r in responses]))
        return np.stack([spectra.real, spectra.imag], axis=-1).astype(np.float32)

    def _mixed(self, plan: Plan) -> tuple[Any, Any]:
        n = self.n
        filtered = self._filtered(self._crops(plan), plan)
        speech_spectrum = filtered[0][:1], filtered[1][:1]
        rooms = [ops.take(bank, plan.room, axis=0) for bank in (self.rooms, self.early_rooms)]
        speech, target = (
            ops.irfft(_times(speech_spectrum, (room[None, ..., 0], room[None, ..., 1])), self.length)[0, :, :n]
            for room in rooms
        )
        noises = ops.irfft((filtered[0][1:], filtered[1][1:]), self.length)[..., :n]
        noises = noises / (ops.sqrt(_power(noises)) + 1e-9)
        noise = noises[0] + noises[1] * plan.second_gain[:, None]
        time = ops.arange(n, dtype="int32")[None]
        fade = ops.clip(ops.cast(time - plan.change_at[:, None], "float32") / FADE, 0.0, 1.0)
        noise = noise * (1.0 - fade) + noises[2] * plan.change_gain[:, None] * fade

        early = plan.early_only[:, None]
        speech_gain = plan.speech_on[:, None] / ops.sqrt(_active_power(speech) + 1e-9)
        speech = speech * (1.0 - early) + target * early
        target = target * speech_gain
        noisy = speech * speech_gain + noise * plan.noise_gain[:, None]

        jump = ops.where(time >= plan.jump_at[:, None], plan.jump_gain[:, None], 1.0)
        noisy, target = (self._low_passed(signal * jump, plan.low_passed) for signal in (noisy, target))
        gain = plan.level[:, None] / ops.sqrt(_power(noisy) + 1e-9)
        peak = ops.maximum(ops.maximum(_peak(noisy), _peak(target)), 1e-6)
        gain = ops.minimum(gain, 0.99 / peak)
        noisy, target = noisy * gain, target * gain
        limit = _peak(noisy) * plan.clip_at[:, None]
        return ops.clip(noisy, -limit, limit) + plan.offset[:, None], target

    def _crops(self, plan: Plan) -> Any:
        """``(sources, size, n)``: recordings at their playing speed, without their mean."""
        position = ops.arange(self.n, dtype="float32") * plan.ratio[..., None]
        whole = ops.floor(position)
        part = (position - whole)[..., None]
        first = plan.start[..., None] + ops.cast(whole, "int32")
        # Played faster, a recording must lose what would be above half the rate.
        cutoff = ops.minimum(1.0, 1.0 / plan.ratio)[..., None]
        out = 0.0
        for tap in range(1 - TAPS // 2, 1 + TAPS // 2):
            distance = part[..., 0] - tap
            x = np.pi * cutoff * distance
            sinc = ops.where(ops.abs(x) < 1e-4, 1.0, ops.sin(x) / ops.where(ops.abs(x) < 1e-4, 1.0, x))
            weight = cutoff * sinc * ops.square(ops.cos(np.pi * distance / TAPS))
            index = ops.mod(first + tap, plan.length[..., None]) + plan.base[..., None]
            out = out + weight * ops.cast(ops.take(self.audio, index, axis=0), "float32")
        out = out / 32768.0
        return out - ops.mean(out, axis=-1, keepdims=True)

    def _filtered(self, crops: Any, plan: Plan) -> tuple[Any, Any]:
        """Spectra ``(sources, size, bins)`` of the crops, coloured (Valin 2018, equation 7)."""
        spectrum = ops.rfft(crops, self.length)
        angle = 2 * np.pi * np.arange(self.length // 2 + 1) / self.length
        once, twice = ((_constant(np.cos(k * angle)), _constant(-np.sin(k * angle))) for k in (1, 2))

        def response(first: Any, second: Any) -> tuple[Any, Any]:
            first, second = first[..., None], second[..., None]
            return 1.0 + first * once[0] + second * twice[0], first * once[1] + second * twice[1]

        above = response(plan.colour[..., 0], plan.colour[..., 1])
        below = response(plan.colour[..., 2], plan.colour[..., 3])
        size = ops.square(below[0]) + ops.square(below[1])
        return _times(_times(spectrum, above), (below[0] / size, -below[1] / size))

    def _low_passed(self, signal: Any, on: Any, cutoff: float = 4000.0) -> Any:
        real, imaginary = ops.rfft(signal, self.n)
        bins = self.n // 2 + 1
        passes = _constant(np.arange(bins) < int(cutoff / (RATE / 2) * bins))[None]
        keep = 1.0 - on[:, None] * (1.0 - passes)
        return ops.irfft((real * keep, imaginary * keep), self.n)


def check_size(samples: int) -> None:
    """Positions on the device are 32-bit integers.

    Raises:
        DataError: so many samples that they do not suffice.
    """
    if samples >= 2**31:
        raise DataError(
            f"{samples / RATE / 3600:.0f} hours of audio are more than mixing on the device can address (37); "
            "use --mixing host, or python -m train.pack --max-megabytes 4000"
        )


def _constant(values: NDArray[Any]) -> Any:
    return ops.convert_to_tensor(np.asarray(values, np.float32))


def _times(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def _power(signal: Any) -> Any:
    return ops.mean(ops.square(signal), axis=-1, keepdims=True)


def _peak(signal: Any) -> Any:
    return ops.max(ops.abs(signal), axis=-1, keepdims=True)


def _active_power(speech: Any) -> Any:
    """As ``mixing.active_power``, ``(size, 1)``."""
    count = speech.shape[-1] // _ACTIVE_FRAME
    frames = ops.reshape(speech[:, : count * _ACTIVE_FRAME], (-1, count, _ACTIVE_FRAME))
    powers = ops.mean(ops.square(frames), axis=-1)
    below = int(0.95 * (count - 1))
    share = 0.95 * (count - 1) - below
    ordered = ops.sort(powers, axis=-1)
    loud = ordered[:, below] * (1 - share) + ordered[:, min(below + 1, count - 1)] * share
    active = ops.cast(powers >= loud[:, None] * 10**-2.5, "float32")
    return (ops.sum(powers * active, axis=-1) / ops.sum(active, axis=-1))[:, None]


class DeviceBatches:
    """Batches in their order, each made when it is asked for; a GPU makes them while it is told what comes next."""

    def __init__(self, mixer: DeviceMixer, *, seed: int, size: int, first: int) -> None:
        self._mixer, self._seed, self._size, self._next = mixer, seed, size, first

    lead = 0  #: batches that are ready

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        while True:
            yield self._mixer.batch(self._seed, self._next, self._size)
            self._next += 1

    def close(self) -> None:
        """Nothing to stop."""
