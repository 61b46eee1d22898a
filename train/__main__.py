"""``python -m train``: train a model, or continue."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from .compiled import check_backend
from .config import TrainConfig, read_config_file
from .errors import DataError, TrainingError


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    chooser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    chooser.add_argument("--model", choices=["stream", "unet8k"], default="stream", help="which one (default: stream)")
    chosen, arguments = chooser.parse_known_args(arguments)
    if chosen.model == "unet8k":
        from .unet8k.command import main as train_unet8k

        return train_unet8k(arguments)
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__, parents=[chooser], allow_abbrev=False)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="folder with clean/, noise/ and, if you have them, rir/ and valid/; or an .npz of train.pack",
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
    parser.add_argument("--mixing", choices=["auto", "host", "device"], help="where speech meets noise (default: auto)")
    parser.add_argument("--adversarial", action="store_true", help="fine-tune against a discriminator")
    given = parser.parse_args(arguments)
    try:
        check_backend()
        from .trainer import train

        config = _configuration(given)
        length = {"minutes": given.minutes, "steps": given.steps}
        train(config, given.data, given.out, **length, resume=given.resume, new_cycle=given.new_cycle,
              cache=given.cache)  # fmt: skip
    except (DataError, TrainingError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


def _configuration(given: argparse.Namespace) -> TrainConfig:
    """The file that was given, else the checkpoint's, else the default; with what the command line changes."""
    from .checkpoint import load_weights

    if given.new_cycle and not given.resume:
        raise TrainingError("--new-cycle begins a cycle from earlier weights; name them with --resume")
    if given.config:
        config = read_config_file(TrainConfig(), given.config)
    else:
        config = load_weights(given.resume)[0] if given.resume else TrainConfig()
    changes = {name: value for name in ("batch", "seed", "mixing") if (value := getattr(given, name)) is not None}
    if given.adversarial:
        changes["adversarial"] = dataclasses.replace(config.adversarial, enabled=True)
    return dataclasses.replace(config, **changes)


if __name__ == "__main__":
    sys.exit(main())
