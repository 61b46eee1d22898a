"""Everything that a run needs to go on, in one file."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from keras import ops

from .config import TrainConfig
from .errors import TrainingError
from .task import Learner


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    seconds: float = 0.0  #: in this cycle of the schedule, earlier parts of the run included
    cycle_start: int = 0  #: step at which this cycle began
    audio_hours: float = 0.0
    best_si_sdr_db: float = -1e9


def save_checkpoint(file: Path, config: TrainConfig, learner: Learner, progress: Progress) -> None:
    """Written beside and renamed, so that a full disk costs the new one only.

    Raises:
        TrainingError: it cannot be written.
    """
    groups = {"weight": learner.task.net.weights, "mean": learner.mean.variables, **learner.state()}
    arrays = {f"{kind}_{i:03}": ops.convert_to_numpy(v) for kind, group in groups.items() for i, v in enumerate(group)}
    partial = file.with_name(file.name + ".partial")
    try:
        with open(partial, "wb") as out:
            np.savez(out, config=config.to_json(), progress=json.dumps(vars(progress)), **arrays)
        os.replace(partial, file)
    except OSError as problem:
        partial.unlink(missing_ok=True)
        raise TrainingError(
            f"cannot save {file}: {problem.strerror or problem}; "
            + ("the one saved before is untouched" if file.exists() else "nothing is saved yet")
        ) from problem


def _read(file: Path, kinds: list[str]) -> tuple[TrainConfig, Progress, list[list[np.ndarray]]]:
    try:
        with np.load(file) as stored:
            config = TrainConfig.from_json(str(stored["config"]))
            numbers = json.loads(str(stored["progress"]))
            arrays = [[stored[n] for n in sorted(stored.files) if n.rpartition("_")[0] == kind] for kind in kinds]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, TrainingError) as problem:
        raise TrainingError(f"{file} is not a checkpoint of this program's stream: {problem}") from problem
    known = {field.name for field in fields(Progress)}
    return config, Progress(**{k: v for k, v in numbers.items() if k in known}), arrays


def load_weights(file: Path, kind: str = "mean") -> tuple[TrainConfig, list[np.ndarray]]:
    """Configuration and weights (``mean``, as exported, or ``weight``, as trained) of a checkpoint.

    Raises:
        TrainingError: not a checkpoint.
    """
    config, _, (weights,) = _read(file, [kind])
    return config, weights


def restore(file: Path, config: TrainConfig, learner: Learner, new_optimizer: bool = False) -> Progress:
    """Put back what ``save_checkpoint`` wrote; a discriminator that the file does not hold starts anew, and with
    ``new_optimizer`` so does an optimiser of another kind.

    Raises:
        TrainingError: not a checkpoint, or of another net.
    """
    state = learner.state()
    stored_config, progress, (weights, mean, *others) = _read(file, ["weight", "mean", *state])
    if stored_config.net != config.net:
        raise TrainingError(f"{file} holds a net of {stored_config.net}, this run's is {config.net}; start a new run")
    groups = [(learner.task.net.weights, weights), (learner.mean.variables, mean)]
    groups += [(variables, arrays) for variables, arrays in zip(state.values(), others, strict=True) if arrays]
    for i, (variables, arrays) in enumerate(groups):
        if [tuple(v.shape) for v in variables] != [a.shape for a in arrays]:
            if i >= 2 and new_optimizer:
                continue
            raise TrainingError(
                f"{file} holds other arrays than this configuration needs; "
                + ("--new-cycle begins with a new optimiser" if i >= 2 else "start a new run")
            )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
    return progress
