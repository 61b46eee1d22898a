"""``python -m train --model unet8k``."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from ..compiled import check_backend
from ..config import read_config_file
from ..errors import DataError, TrainingError
from .config import RECIPES, UnetConfig


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m train --model unet8k", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with clean/, noise/ and, if you have them, rir/"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and the log")
    parser.add_argument(
        "--recipe", choices=sorted(RECIPES), help="seed: as the ancestor was trained (default: improved)"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=int, help="length of the whole run, earlier parts included (default: 20)")
    length.add_argument("--steps", type=int, help="the same in steps")
    length.add_argument("--minutes", type=float, help="the same in minutes")
    parser.add_argument("--epoch-frames", type=int, help="examples an epoch (default: all that the speech holds)")
    parser.add_argument("--resume", type=Path, help="checkpoint to continue")
    parser.add_argument("--config", type=Path, help="configuration to use, as in a run's config.json")
    parser.add_argument("--cache", type=Path, help="folder for decoded audio (default: OUT/audio)")
    parser.add_argument("--batch", type=int, help="examples a step")
    parser.add_argument("--seed", type=int)
    given = parser.parse_args(arguments)
    try:
        check_backend()
        from .checkpoint import Checkpoint
        from .trainer import train

        if given.recipe and (given.config or given.resume):
            raise TrainingError("--recipe is for new runs; --config and --resume bring a recipe of their own")
        if given.config:
            config = read_config_file(UnetConfig(), given.config)
        else:
            config = Checkpoint.load(given.resume).config if given.resume else RECIPES[given.recipe or "improved"]
        changes = {k: v for k in ("batch", "seed", "epoch_frames") if (v := getattr(given, k)) is not None}
        length = {"epochs": given.epochs, "steps": given.steps, "minutes": given.minutes}
        if all(value is None for value in length.values()):
            length["epochs"] = 20
        train(dataclasses.replace(config, **changes), given.data, given.out, **length, resume=given.resume,
              cache=given.cache)  # fmt: skip
    except (DataError, TrainingError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0
