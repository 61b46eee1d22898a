"""Everything that a run needs to go on, in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from keras import ops

from .config import TrainConfig
from .errors import TrainingError
from .store import read_run, write_run
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
    """Everything into one file.

    Raises:
        TrainingError: it cannot be written.
    """
    groups = {"weight": learner.task.net.weights, "mean": learner.mean.variables, **learner.state()}
    arrays = {kind: [ops.convert_to_numpy(variable) for variable in group] for kind, group in groups.items()}
    write_run(file, config, progress, arrays)


def _read(file: Path, kinds: list[str]) -> tuple[TrainConfig, Progress, list[list[np.ndarray]]]:
    return read_run(file, "stream", TrainConfig(), Progress(), kinds)


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
