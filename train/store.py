"""A run in one file: its configuration, where it stands, and its arrays in groups."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .config import read_config
from .errors import TrainingError

Config, Progress = TypeVar("Config"), TypeVar("Progress")


def write_run(file: Path, config: Any, progress: Any, groups: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Written beside and renamed, so that a full disk costs the new one only.

    Raises:
        TrainingError: it cannot be written, or what a run has become is no number.
    """
    if not all(np.isfinite(array).all() for group in groups.values() for array in group):
        raise TrainingError(f"{file} is not written: there are arrays in this run that are no numbers")
    arrays = {f"{kind}_{i:03}": array for kind, group in groups.items() for i, array in enumerate(group)}
    partial = file.with_name(file.name + ".partial")
    try:
        with open(partial, "wb") as out:
            np.savez(out, config=config.to_json(), progress=json.dumps(vars(progress)), **arrays)
        os.replace(partial, file)
    except OSError as problem:
        partial.unlink(missing_ok=True)
        raise TrainingError(
            f"cannot save {file}: {problem.strerror or problem}; "
            + ("the one saved before is untouched" if file.exists() else "none was saved there before")
        ) from problem


def read_run(
    file: Path, model: str, config: Config, progress: Progress, kinds: Sequence[str]
) -> tuple[Config, Progress, list[list[np.ndarray]]]:
    """What ``write_run`` wrote: of the groups those of ``kinds``, of which a run of ``model`` always has the first.
    What configuration and progress lack is as in those that are given.

    Raises:
        TrainingError: no such file.
    """
    try:
        with np.load(file) as stored:
            groups = [[stored[n] for n in sorted(stored.files) if n.rpartition("_")[0] == kind] for kind in kinds]
            if not groups[0]:
                raise TrainingError(f"it holds no {kinds[0]}")
            known, numbers = vars(progress), json.loads(str(stored["progress"]))
            numbers = known | {name: value for name, value in numbers.items() if name in known}
            return read_config(config, str(stored["config"])), type(progress)(**numbers), groups
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, TrainingError) as e:
        why = e.strerror if isinstance(e, OSError) and e.strerror else str(e)
        if isinstance(e, TrainingError):
            why = f"it is of another model or version ({e})"
        elif file.exists() and not zipfile.is_zipfile(file):
            why = "it is no .npz file, or the end is missing"
        raise TrainingError(f"{file} is not a checkpoint of {model}: {why}") from e
