"""``python -m train``: train a model, or continue."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    chooser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    chooser.add_argument("--model", choices=["stream", "unet8k"], default="stream", help="which one (default: stream)")
    chosen, arguments = chooser.parse_known_args(arguments)
    if chosen.model == "unet8k":
        from .unet8k.command import main as train_unet8k

        return train_unet8k(arguments)
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__, parents=[chooser])
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with clean/, noise/ and, if you have them, rir/ and valid/"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and the log")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, help="length of the whole run, earlier parts included")
    length.add_argument("--steps", type=int, help="the same in steps")
    parser.add_argument("--resume", type=Path, help="checkpoint to continue")
    parser.add_argument("--new-cycle", action="store_true", help="with --resume: begin the learning rate's cycle again")
    parser.add_argument("--config", type=Path, help="configuration to use, as in a run's config.json")
    parser.add_argument("--cache", type=Path, help="folder for decoded audio (default: OUT/audio)")
    parser.add_argument("--batch", type=int, help="examples a step")
    parser.add_argument("--seed", type=int)
    given = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from .config import TrainConfig
    from .data import DataError
    from .trainer import TrainingError, load_weights, train

    try:
        if given.config:
            config = TrainConfig.from_json(given.config.read_text())
        else:
            config = load_weights(given.resume)[0] if given.resume else TrainConfig()
        changes = {k: v for k in ("batch", "seed") if (v := getattr(given, k)) is not None}
        config = dataclasses.replace(config, **changes)
        length = {"minutes": given.minutes, "steps": given.steps}
        train(config, given.data, given.out, **length, resume=given.resume, new_cycle=given.new_cycle,
              cache=given.cache)
    except (DataError, TrainingError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
