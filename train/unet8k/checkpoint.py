"""What a run of ``unet8k`` leaves behind: to go on from, to export, to pass on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ..errors import TrainingError
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
        """Write beside and rename, so that a full disk costs the new one only. ``best_only``: as float16, to pass on.

        Raises:
            TrainingError: it cannot be written.
        """
        kinds = _ARRAYS[:1] if best_only else _ARRAYS
        arrays = {f"{kind}_{i:03}": a for kind in kinds for i, a in enumerate(getattr(self, kind))}
        if best_only:
            arrays = {name: array.astype(np.float16) for name, array in arrays.items()}
        partial = file.with_name(file.name + ".partial")
        try:
            with open(partial, "wb") as out:
                np.savez(out, config=self.config.to_json(), progress=json.dumps(vars(self.progress)), **arrays)
            os.replace(partial, file)
        except OSError as problem:
            partial.unlink(missing_ok=True)
            raise TrainingError(f"cannot save {file}: {problem.strerror}; the last checkpoint is untouched") from None

    @classmethod
    def load(cls, file: Path) -> Checkpoint:
        """Read what ``save`` wrote.

        Raises:
            TrainingError: it is none.
        """
        try:
            with np.load(file) as stored:
                lists = {kind: [np.float32(stored[n]) if stored[n].dtype == np.float16 else stored[n]
                                for n in sorted(stored.files) if n.startswith(kind + "_")]
                         for kind in _ARRAYS}  # fmt: skip
                config = UnetConfig.from_json(str(stored["config"]))
                return cls(config, Progress(**json.loads(str(stored["progress"]))), **lists)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as problem:
            raise TrainingError(f"{file} is no checkpoint of unet8k: {problem}") from None
