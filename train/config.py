"""Every knob of a training run, in one place; printed at the start and saved beside the weights."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from .errors import TrainingError

Config = TypeVar("Config")


@dataclass(frozen=True)
class NetConfig:
    """The shape of ``stream``."""

    channels: tuple[int, ...] = (
        48,
        64,
        96,
    )  #: of the encoder's levels; the first divides the bins by 4, the others by 2
    kernel: int = 3  #: bins that a convolution sees
    core_blocks: int = 2  #: pairs of one recurrent layer over time and one mixer over frequency
    mixer_hidden: int = 32  #: width of the mixer over frequency
    compression: float = 0.3  #: exponent of the magnitudes that the net sees


@dataclass(frozen=True)
class MixConfig:
    """How one example is made. Probabilities are per example, levels in dB or dBFS, (low, high) are uniform ranges."""

    crop_seconds: float = 2.496
    snr_db: tuple[float, float] = (-9.0, 18.0)  #: on the active level of the speech
    level_dbfs: tuple[float, float] = (-45.0, -4.0)  #: of the mixture
    second_noise: float = 0.3
    synthetic_noise: float = 0.2  #: coloured noise, hum, clicks or babble instead of a recording
    noise_change: float = 0.1  #: the noise becomes another one somewhere in the crop
    speed: tuple[float, float] = (0.88, 1.14)  #: playing speed, so pitch and formants
    speed_changed: float = 0.5
    colour: float = 0.5  #: second-order random filter, speech and noise each
    room: float = 0.3  #: reverberation; the target keeps the direct sound and the early reflections
    early_seconds: float = 0.05
    band_limited: float = 0.2  #: to 4 kHz, as 8 kHz streams are
    clean_only: float = 0.06  #: nothing may change
    noise_only: float = 0.07  #: silence comes out
    clipped: float = 0.03
    offset: float = 0.03  #: constant added to the microphone's signal
    level_jump: float = 0.08  #: both signals change their level at once
    #: How much more often than by its minutes a set is drawn; sets are file names up to the last hyphen, or folders.
    speech_weights: dict[str, float] = field(
        default_factory=lambda: {"librispeech_en": 4.0, "msc_ml": 1.3, "vctk_en": 3.0, "ljspeech_en": 2.0,
                                 "precise_en": 0.7, "arabic_commands": 0.5, "audiocmn_zh": 0.7}
    )  # fmt: skip
    noise_weights: dict[str, float] = field(default_factory=lambda: {"music_opsound": 0.6, "esc10": 2.0})

    def __post_init__(self) -> None:
        check(self.crop_seconds >= 0.25, "mix.crop_seconds", self.crop_seconds, "0.25 or more")
        for name in ("snr_db", "level_dbfs", "speed"):
            check(len(getattr(self, name)) == 2, f"mix.{name}", getattr(self, name), "a lowest and a highest value")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the loss's terms (losses.py says what each is)."""

    magnitude: float = 100.0
    complex_parts: float = 20.0
    masked_frames: float = 0.25  #: the spectral terms on the masked frames, against those on the resynthesised signal
    over_attenuation: float = 8.0
    waveform: float = 5.0
    loudness: float = 20.0
    intelligibility: float = 4.0


@dataclass(frozen=True)
class AdversarialConfig:
    """Fine-tuning against a discriminator (adversarial.py)."""

    enabled: bool = False
    weight: float = 0.1  #: of what the discriminator says, beside the other terms of the loss
    feature_matching: float = 2.0  #: of its features, against its judgement
    head_start_steps: int = 300  #: steps in which only the discriminator learns from being there
    learning_rate: float = 2e-4  #: of the discriminator; follows the same schedule
    windows: tuple[int, ...] = (256, 512, 1024)  #: samples; one discriminator each, hops of a quarter
    channels: int = 24


@dataclass(frozen=True)
class TrainConfig:
    """One run."""

    net: NetConfig = NetConfig()
    mix: MixConfig = field(default_factory=MixConfig)
    loss: LossConfig = LossConfig()
    adversarial: AdversarialConfig = AdversarialConfig()
    batch: int = 6
    optimizer: str = "muon"  #: or "adamw"
    #: Steps after which batch norms stay as they are: statistics of single batches make the loss half as large again
    norm_steps: int = 3000
    learning_rate: float = 1e-3
    warm_up_steps: int = 200
    weight_decay: float = 1e-3
    clip_norm: float = 5.0
    ema_steps: float = 400.0  #: horizon of the exponential mean of the weights that is exported
    seed: int = 1
    mixing: str = "auto"  #: "host": processes beside the training; "device": where the net is; "auto": device if a GPU
    mixers: int = 1  #: processes that mix
    lead: int = 12  #: batches they may be ahead
    device_rooms: int = 512  #: rooms drawn once for mixing on the device
    device_noises: int = 256  #: synthetic noises of 4 s drawn once for mixing on the device

    def __post_init__(self) -> None:
        check(self.mixing in ("auto", "host", "device"), "mixing", self.mixing, "auto, host or device")
        check(self.optimizer in ("muon", "adamw"), "optimizer", self.optimizer, "muon or adamw")
        for name in ("batch", "mixers", "lead", "device_noises"):
            check(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        check(self.learning_rate > 0, "learning_rate", self.learning_rate, "above 0")
        check_seed(self.seed)

    def to_json(self) -> str:
        """Text that ``from_json`` reads back to an equal configuration."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """Read what ``to_json`` wrote; what is not there keeps its default.

        Raises:
            TrainingError: text that is no such configuration; an unknown key is named with the nearest known one.
        """
        return read_config(cls(), text)


def read_config_file(default: Config, file: Path) -> Config:
    """``read_config`` of a file.

    Raises:
        TrainingError: it cannot be read, or is none.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise TrainingError(f"{file} cannot be read: {problem}") from problem
    return read_config(default, text)


def read_config(default: Config, text: str) -> Config:
    """A dataclass from JSON; what is not there is as in ``default``.

    Raises:
        TrainingError: text that is no such configuration; an unknown key is named with the nearest known one.
    """
    try:
        parts = json.loads(text)
    except ValueError as problem:
        raise TrainingError(f"the configuration is no JSON: {problem}; start from a run's config.json") from problem
    return _read(default, parts, "")


def check(legal: bool, name: str, value: object, wanted: str) -> None:
    """Raise TrainingError where a value is not ``legal``, with its name, the value and what is ``wanted``."""
    if not legal:
        raise TrainingError(f"the configuration's {name} is {value!r}; it must be {wanted}")


def check_seed(seed: int) -> None:
    """Raise TrainingError for what Keras takes for no seed."""
    check(0 <= seed < 2**32, "seed", seed, "from 0 to 4294967295")


def _like(value: Any, old: Any, where: str) -> Any:
    """``value`` as JSON has it, as a value of the kind of ``old``: a number, a text, a list, a table of such."""
    if isinstance(old, tuple) and isinstance(value, list) and value:
        return tuple(_like(part, old[0], where) for part in value)
    if isinstance(old, dict) and isinstance(value, dict):
        return {name: _like(part, 1.0, f"{where}.{name}") for name, part in value.items()}
    value = float(value) if type(old) is float and type(value) is int else value
    fits = type(value) is type(old) and not (type(value) is float and not math.isfinite(value))
    check(fits, where, value, f"of one kind with {old!r}")
    return value


def _read(default: Any, parts: object, where: str) -> Any:
    """``default`` with what JSON made of it; lists become tuples."""
    if not isinstance(parts, dict):
        raise TrainingError(f"the configuration's {where.rstrip('.') or 'text'} must be a table of names and values")
    values, known = {}, {f.name for f in dataclasses.fields(default)}
    for name, value in parts.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.4)
            raise TrainingError(
                f"the configuration has no {where}{name}; "
                + (f"did you mean {where}{near[0]}?" if near else f"it has {', '.join(sorted(known))}")
            )
        old = getattr(default, name)
        if dataclasses.is_dataclass(old):
            values[name] = _read(old, value, f"{where}{name}.")
            continue
        values[name] = _like(value, old, where + name)
    return dataclasses.replace(default, **values)
