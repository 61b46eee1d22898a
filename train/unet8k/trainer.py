"""The loop: an epoch, a validation, a checkpoint; stops cleanly and continues where it stopped."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
from keras import ops

from ..trainer import Average, TrainingError, stop_on_signals
from .config import UnetConfig
from .data import Frames
from .net import build_net
from .spectra import examples, loss_of, seed_scale_loss

_LEAD = 6  #: batches that are mixed ahead


@dataclass
class Progress:
    """Where a run stands; losses are on the validation's examples."""

    step: int = 0
    seconds: float = 0.0
    frames: int = 0
    epochs: int = 0
    best: float = float("inf")  #: of the loss that is trained on
    best_seed_scale: float = float("inf")  #: of the same weights
    baselines: dict[str, float] = field(default_factory=dict)  #: seed-scale losses of who does not listen


@dataclass
class Checkpoint:
    """What a run needs to go on, and what is exported: the best weights by validation."""

    config: UnetConfig
    progress: Progress
    best: list[np.ndarray]
    weights: list[np.ndarray] = field(default_factory=list)
    mean: list[np.ndarray] = field(default_factory=list)
    optimizer: list[np.ndarray] = field(default_factory=list)

    _ARRAYS = ("best", "weights", "mean", "optimizer")

    def save(self, file: Path, best_only: bool = False) -> None:
        """Write beside and rename, so that a full disk costs the new one only. ``best_only``: as float16, to pass on.

        Raises:
            TrainingError: it cannot be written.
        """
        kinds = self._ARRAYS[:1] if best_only else self._ARRAYS
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
                         for kind in cls._ARRAYS}  # fmt: skip
                config = UnetConfig.from_json(str(stored["config"]))
                return cls(config, Progress(**json.loads(str(stored["progress"]))), **lists)
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise TrainingError(f"{file} is no checkpoint of unet8k: {problem}") from None


class Ahead:
    """Batches in their order, mixed by a thread while the net computes."""

    def __init__(self, frames: Frames, first: int) -> None:
        self._frames, self._next = frames, first
        self._pool = ThreadPoolExecutor(1)
        self._waiting: list[Future] = []
        for _ in range(_LEAD):
            self._order()

    def _order(self) -> None:
        self._waiting.append(self._pool.submit(self._make, self._next))
        self._next += 1

    def _make(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        return examples(self._frames.config, *self._frames.batch(number, self._frames.config.batch))

    @property
    def lead(self) -> int:
        """Batches that are ready."""
        return sum(job.done() for job in self._waiting)

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        """The next batch: pictures and targets."""
        batch = self._waiting.pop(0).result()
        self._order()
        return batch

    def close(self) -> None:
        """Stop the thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def schedule(config: UnetConfig, step: int, done: float) -> float:
    """Learning rate after ``step`` steps and ``done`` (0 to 1) of the run."""
    if not config.cosine:
        return config.learning_rate
    warm = min(1.0, (step + 1) / config.warm_up_steps)
    return config.learning_rate * warm * max(0.5 * (1 + np.cos(np.pi * min(done, 1.0))), 1e-3)


class Validation:
    """Examples of voices and noises that training never hears, always the same."""

    def __init__(self, frames: Frames) -> None:
        self.config = frames.config
        size = 20
        batches = [frames.batch(i, size, training=False) for i in range(-(-self.config.validation_frames // size))]
        self.noisy, self.clean = (np.concatenate([b[i] for b in batches]) for i in (0, 1))
        self.pictures, self.targets = examples(self.config, self.noisy, self.clean)

    def baselines(self) -> dict[str, float]:
        """Seed-scale losses of the best constant, and of saying that there is no noise."""
        scale = self.config.scale
        return {
            "constant": seed_scale_loss(self.config, self.targets, float(self.targets[..., 0].mean())),
            "no noise": seed_scale_loss(self.config, self.targets, -scale.out_centre / scale.out_spread),
        }

    def losses(self, net: keras.Model) -> tuple[float, float]:
        """Of the net's present weights: the loss that it is trained on, and the one on the seed's scale."""
        own, seed, size, loss = 0.0, 0.0, 20, loss_of(self.config)
        for start in range(0, len(self.pictures), size):
            target = self.targets[start : start + size]
            output = ops.convert_to_numpy(net(self.pictures[start : start + size], training=False))
            own += float(loss(ops.convert_to_tensor(target), ops.convert_to_tensor(output))) * len(target)
            seed += seed_scale_loss(self.config, target, output) * len(target)
        return own / len(self.pictures), seed / len(self.pictures)


def train(
    config: UnetConfig,
    data: Path,
    out: Path,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    resume: Path | None = None,
    cache: Path | None = None,
) -> Checkpoint:
    """Train for so many epochs, steps or minutes (of the whole run, earlier parts included) and leave in ``out``
    ``checkpoint.npz`` (to continue and to export), ``log.jsonl`` and ``config.json``.

    Raises:
        DataError: nothing to train on, or nothing to hold out.
        TrainingError: no length or two, a wrong checkpoint, a full disk, or a loss that is no number.
    """
    if sum(length is not None for length in (epochs, steps, minutes)) != 1:
        raise TrainingError("give the length of the run in epochs, in steps or in minutes")
    out.mkdir(parents=True, exist_ok=True)
    before = Checkpoint.load(resume) if resume else None
    keras.utils.set_random_seed(config.seed + (before.progress.step if before else 0))
    keras.mixed_precision.set_global_policy(config.precision)
    net = build_net(config.dropout)
    keras.mixed_precision.set_global_policy("float32")
    optimizer = keras.optimizers.Adam(config.learning_rate, global_clipnorm=config.clip_norm)
    net.compile(optimizer=optimizer, loss=loss_of(config), jit_compile=False)  # XLA's convolutions are slow on a CPU
    optimizer.build(net.trainable_variables)
    progress = before.progress if before else Progress()
    if before:
        net.set_weights(before.weights or before.best)
        for variable, value in zip(optimizer.variables, before.optimizer, strict=False):
            variable.assign(value)
    average = Average(before.mean if before and before.mean else net.get_weights(), max(config.mean_steps, 1.0))
    best = before.best if before else net.get_weights()

    frames = Frames(config, data, cache or out / "audio")
    validation = Validation(frames)
    progress.baselines = validation.baselines()
    epoch_steps = max(1, (config.epoch_frames or frames.training_samples // 16128) // config.batch)
    (out / "config.json").write_text(config.to_json())
    print(config.to_json())
    print(f"{net.count_params()} parameters, {frames.training_samples / 16000 / 3600:.1f} h of speech, {epoch_steps} "
          f"steps an epoch, from step {progress.step}; held out: " + ", ".join(sorted(set().union(*frames.held_out.values()))))  # fmt: skip
    print(f"loss on the seed's scale of a constant: {progress.baselines['constant']:.4f}, "
          f"of saying there is no noise: {progress.baselines['no noise']:.4f}", flush=True)  # fmt: skip

    checkpoint = Checkpoint(config, progress, best)

    def validate_and_save(losses: list[float]) -> None:
        trained = net.get_weights()
        if config.mean_steps > 0:
            net.set_weights(average.weights)
        own, seed = validation.losses(net)
        if own < progress.best:
            progress.best, progress.best_seed_scale, checkpoint.best = own, seed, net.get_weights()
        net.set_weights(trained)
        checkpoint.weights, checkpoint.mean = trained, average.weights
        checkpoint.optimizer = [ops.convert_to_numpy(v) for v in optimizer.variables]
        checkpoint.save(out / "checkpoint.npz")
        entry = {
            "step": progress.step, "epoch": progress.epochs, "minutes": round(progress.seconds / 60, 2),
            "hours": round(progress.frames * 1.008 / 3600, 3), "loss": float(np.mean(losses)) if losses else None,
            "validation_loss": own, "validation_loss_seed_scale": seed, "best": progress.best, "lead": ahead.lead,
        }  # fmt: skip
        with open(out / "log.jsonl", "a") as log:
            log.write(json.dumps(entry) + "\n")
        print(" ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in entry.items()), flush=True)

    ahead = Ahead(frames, progress.step)
    losses: list[float] = []
    try:
        with stop_on_signals() as stopped:
            clock = time.monotonic()
            while not stopped:
                whole = epochs * epoch_steps if epochs else steps
                done = progress.step / whole if whole else progress.seconds / 60 / (minutes or 1)
                if done >= 1:
                    break
                optimizer.learning_rate.assign(schedule(config, progress.step, done))
                loss = float(net.train_on_batch(*ahead.take()))
                net.reset_metrics()
                if not np.isfinite(loss):
                    raise TrainingError(f"the loss is {loss} at step {progress.step}; the last good weights are in {out}")
                losses.append(loss)
                progress.step += 1
                progress.frames += config.batch
                if progress.step % Average.every == 0:
                    average.update(progress.step, net.get_weights())
                progress.seconds += time.monotonic() - clock
                clock = time.monotonic()
                if progress.step % epoch_steps == 0:
                    progress.epochs += 1
                    validate_and_save(losses)
                    losses.clear()
                    clock = time.monotonic()
            if losses or progress.step == 0:
                validate_and_save(losses)
    finally:
        ahead.close()
    return checkpoint
