"""What a run of ``unet8k`` leaves behind: to go on from, to export, to pass on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..store import read_run, write_run
from .config import UnetConfig

_ARRAYS = ("best", "weights", "mean", "optimizer")


@dataclass
class Progress:
    """Where a run stands; losses are those of the validation's examples."""

    step: int = 0
    seconds: float = 0.0
    frames: int = 0
    epochs: int = 0
    best: float = float("inf")  #: of the loss that is trained on
    best_seed_scale: float = float("inf")  #: of the same weights, on the scale of the published losses
    baselines: dict[str, float] = field(default_factory=dict)  #: on that scale, of who does not listen


@dataclass
class Checkpoint:
    """What a run needs to go on, and what is exported: the best weights by validation."""

    config: UnetConfig
    progress: Progress
    best: list[np.ndarray]
    weights: list[np.ndarray] = field(default_factory=list)
    mean: list[np.ndarray] = field(default_factory=list)
    optimizer: list[np.ndarray] = field(default_factory=list)

    def save(self, file: Path, best_only: bool = False) -> None:
        """Everything into one file. ``best_only``: the best weights alone, as float16, to pass on.

        Raises:
            TrainingError: it cannot be written.
        """
        groups = {kind: getattr(self, kind) for kind in _ARRAYS}
        if best_only:
            groups = {"best": [weights.astype(np.float16) for weights in self.best]}
        write_run(file, self.config, self.progress, groups)

    @classmethod
    def load(cls, file: Path) -> Checkpoint:
        """Read what ``save`` wrote.

        Raises:
            TrainingError: it is none.
        """
        config, progress, groups = read_run(file, "unet8k", UnetConfig(), Progress(), _ARRAYS)
        return cls(config, progress, *([_wide(array) for array in group] for group in groups))


def _wide(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float16 else array
