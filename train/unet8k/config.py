"""Every knob of ``unet8k``'s training, in one place; printed at the start and saved with the weights."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field

from ..config import MixConfig, check, check_seed, read_config


@dataclass(frozen=True)
class ScaleConfig:
    """How magnitudes become the net's picture, and its picture an attenuation, both in decibels.

    ``picture = (decibels - centre) / spread``; ``attenuation = out_centre + out_spread * net's output``.
    """

    reference: str = "fixed"  #: what is 0 dB: ``fixed``, a full-scale sine, or ``maximum``, each frame's largest value
    floor_db: float = -110.0  #: anything quieter counts as this
    centre: float = -60.0
    spread: float = 30.0
    out_centre: float = 20.0
    out_spread: float = 22.0


@dataclass(frozen=True)
class UnetConfig:
    """One run."""

    recipe: str = "improved"  #: ``improved``, or ``seed``: as the ancestor was trained
    scale: ScaleConfig = ScaleConfig()
    dropout: float = (
        0.0  #: of the two deepest levels; examples never repeat here, so there is nothing to learn by heart
    )
    mix: MixConfig = field(
        default_factory=lambda: MixConfig(crop_seconds=1.008, snr_db=(-7.0, 20.0), level_dbfs=(-45.0, -10.0))
    )
    noise_share: tuple[float, float] = (0.2, 0.8)  #: recipe ``seed``: factor of the noise as it was recorded
    batch: int = 16
    learning_rate: float = 1e-3
    cosine: bool = True  #: the learning rate warms up and falls to zero; else it stays
    warm_up_steps: int = 100
    clip_norm: float = 1.0
    mean_steps: float = 300.0  #: horizon of the exponential mean of the weights; 0: none, the weights themselves
    epoch_frames: int = 0  #: examples an epoch; 0: as many as the recordings of speech have context frames
    validation_share: float = 0.1  #: of speakers and of noise recordings, held out whole
    validation_frames: int = 500
    precision: str = "mixed_bfloat16"  #: of the arithmetic; weights are float32. ``float32`` where that is not faster
    seed: int = 1

    def __post_init__(self) -> None:
        check(self.recipe in ("improved", "seed"), "recipe", self.recipe, "improved or seed")
        reference = self.scale.reference
        check(reference in ("fixed", "maximum"), "scale.reference", reference, "fixed or maximum")
        for name in ("batch", "validation_frames"):
            check(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        check(self.epoch_frames >= 0, "epoch_frames", self.epoch_frames, "0 or more")
        check(self.learning_rate > 0, "learning_rate", self.learning_rate, "above 0")
        check(0 < self.validation_share < 1, "validation_share", self.validation_share, "between 0 and 1")
        check_seed(self.seed)
        precisions = ("float32", "mixed_bfloat16", "mixed_float16")
        check(self.precision in precisions, "precision", self.precision, f"one of {', '.join(precisions)}")

    def to_json(self) -> str:
        """Text that ``from_json`` reads back to an equal configuration."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> UnetConfig:
        """Read what ``to_json`` wrote; what is not there keeps its default.

        Raises:
            TrainingError: text that is no such configuration; an unknown key is named with the nearest known one.
        """
        return read_config(cls(), text)


#: The ancestor's way: each frame's own maximum as the reference, decibels scaled by fixed numbers, noise added as it
#: is, plain Adam. (The numbers put the ancestor's data into -1..1.)
SEED = UnetConfig(
    recipe="seed",
    scale=ScaleConfig("maximum", floor_db=-80.0, centre=-46.0, spread=50.0, out_centre=6.0, out_spread=82.0),
    dropout=0.2,
    batch=10,
    cosine=False,
    clip_norm=1.0,  # not the ancestor's: without, one run ended in a tanh that was saturated everywhere
    mean_steps=0.0,
)

RECIPES = {"improved": UnetConfig(), "seed": SEED}
