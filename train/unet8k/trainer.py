"""The loop: an epoch, a validation, a checkpoint; stops cleanly and continues where it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from rtdenoise.config import CONTEXT_TRANSFORM

from ..average import Average
from ..data import RATE
from ..errors import TrainingError
from ..run import (
    LOG_SECONDS,
    SAVE_SECONDS,
    Every,
    check_free,
    check_length,
    check_unfinished,
    stop_on_signals,
    write_config,
)
from ..runlog import RunLog
from .checkpoint import Checkpoint, Progress
from .config import UnetConfig
from .data import Frames
from .net import build_net
from .spectra import examples, loss_of, seed_scale_loss

_FRAME_SECONDS = CONTEXT_TRANSFORM.context_length / CONTEXT_TRANSFORM.sample_rate
_LEAD = 6  #: batches that are mixed ahead
_AT_ONCE = 20  #: examples of the validation that the net sees at a time


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


class Validation:
    """Examples of voices and noises that training never hears, always the same."""

    def __init__(self, frames: Frames) -> None:
        self.config = frames.config
        batches = [frames.batch(i, 1, training=False) for i in range(self.config.validation_frames)]
        noisy, clean = (np.concatenate([b[i] for b in batches]) for i in (0, 1))
        self.pictures, self.targets = examples(self.config, noisy, clean)

    def baselines(self) -> dict[str, float]:
        """Seed-scale losses of the best constant, and of saying that there is no noise."""
        scale = self.config.scale
        return {
            "constant": seed_scale_loss(self.config, self.targets, float(self.targets[..., 0].mean())),
            "no noise": seed_scale_loss(self.config, self.targets, -scale.out_centre / scale.out_spread),
        }

    def losses(self, net: keras.Model) -> tuple[float, float]:
        """Of the net's present weights: the loss that it is trained on, and the one on the seed's scale."""
        own, seed, loss = 0.0, 0.0, loss_of(self.config)
        for start in range(0, len(self.pictures), _AT_ONCE):
            target = self.targets[start : start + _AT_ONCE]
            output = ops.convert_to_numpy(net(self.pictures[start : start + _AT_ONCE], training=False))
            own += float(loss(ops.convert_to_tensor(target), ops.convert_to_tensor(output))) * len(target)
            seed += seed_scale_loss(self.config, target, output) * len(target)
        return own / len(self.pictures), seed / len(self.pictures)


def schedule(config: UnetConfig, step: int, done: float) -> float:
    """Learning rate after ``step`` steps and ``done`` (0 to 1) of the run."""
    if not config.cosine:
        return config.learning_rate
    warm = min(1.0, (step + 1) / max(config.warm_up_steps, 1))
    return config.learning_rate * warm * max(0.5 * (1 + np.cos(np.pi * min(done, 1.0))), 1e-3)


class Run:
    """A net in training, its optimiser, its mean, its data, and where it stands; with the best weights alone of a run
    ``before`` a new one begins from them."""

    def __init__(self, config: UnetConfig, data: Path, cache: Path, before: Checkpoint | None) -> None:
        self.config, self.progress = config, before.progress if before and before.optimizer else Progress()
        keras.utils.set_random_seed(config.seed + self.progress.step)
        keras.mixed_precision.set_global_policy(config.precision)
        self.net = build_net(config.dropout)
        keras.mixed_precision.set_global_policy("float32")
        self.optimizer = keras.optimizers.Adam(config.learning_rate, global_clipnorm=config.clip_norm)
        # XLA's convolutions take twice as long on a CPU.
        self.net.compile(optimizer=self.optimizer, loss=loss_of(config), jit_compile=False)
        self.optimizer.build(self.net.trainable_variables)
        if before:
            self.net.set_weights(before.weights or before.best)
            for variable, value in zip(self.optimizer.variables, before.optimizer, strict=False):
                variable.assign(value)
        mean = before.mean if before and before.mean else self.net.get_weights()
        self.average = Average(mean, max(config.mean_steps, 1.0))
        self.checkpoint = Checkpoint(config, self.progress, before.best if before else self.net.get_weights())
        self.frames = Frames(config, data, cache)
        self.validation = Validation(self.frames)
        self.progress.baselines = self.validation.baselines()
        self.epoch_frames = config.epoch_frames or max(1, int(self.frames.training_samples / RATE / _FRAME_SECONDS))
        self.progress.epochs = self.progress.frames // self.epoch_frames
        if before:
            self.progress.best, self.progress.best_seed_scale = self.judged(before.best)

    def describe(self) -> str:
        """A few lines for people."""
        frames, kept = self.frames, sorted(set().union(*self.frames.held_out.values()))
        baselines = ", ".join(f"{name} {loss:.4f}" for name, loss in self.progress.baselines.items())
        return (
            f"{self.net.count_params()} parameters, {frames.training_samples / RATE / 3600:.1f} h of speech, "
            f"{self.epoch_frames} examples an epoch, from step {self.progress.step}; held out: {', '.join(kept)}\n"
            f"losses on the seed's scale: {baselines}"
        )

    def step(self, pictures: np.ndarray, targets: np.ndarray, done: float) -> float:
        """One step of the optimiser; returns the loss."""
        self.optimizer.learning_rate.assign(schedule(self.config, self.progress.step, done))
        loss = float(self.net.train_on_batch(pictures, targets))
        self.net.reset_metrics()
        self.progress.step += 1
        self.progress.frames += len(pictures)
        if self.progress.step % Average.every == 0:
            self.average.update(self.progress.step, self.net.get_weights())
        return loss

    def judged(self, weights: list[np.ndarray]) -> tuple[float, float]:
        """The validation's losses of ``weights``; those in training stay."""
        trained = self.net.get_weights()
        self.net.set_weights(weights)
        losses = self.validation.losses(self.net)
        self.net.set_weights(trained)
        return losses

    def validate(self) -> dict[str, float]:
        """Judge the mean weights, or where there is no mean the present ones, and keep them if they are the best."""
        progress = self.progress
        weights = self.average.weights if self.config.mean_steps > 0 else self.net.get_weights()
        own, seed = self.judged(weights)
        if own < progress.best:
            progress.best, progress.best_seed_scale = own, seed
            self.checkpoint.best = [array.copy() for array in weights]
        references = {name.replace(" ", "_"): loss for name, loss in progress.baselines.items()}
        return {"validation_loss": own, "validation_loss_seed_scale": seed, "best": progress.best} | references

    def save(self, file: Path) -> None:
        """Where the run stands, into one file.

        Raises:
            TrainingError: it cannot be written.
        """
        checkpoint = self.checkpoint
        checkpoint.weights, checkpoint.mean = self.net.get_weights(), self.average.weights
        checkpoint.optimizer = [ops.convert_to_numpy(v) for v in self.optimizer.variables]
        checkpoint.save(file)


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
    save_every_seconds: float = SAVE_SECONDS,
) -> Checkpoint:
    """Train for so many epochs, steps or minutes (of the whole run, earlier parts included) and leave in ``out``
    ``checkpoint.npz`` (to continue and to export), ``best.npz`` (the best weights alone, small), ``log.jsonl``,
    ``events/``, ``training.png`` and ``config.json``. It validates after each epoch and at the end.

    Raises:
        DataError: nothing to train on, or nothing to hold out.
        TrainingError: no length or two, a checkpoint in the way or of another configuration, a full disk, or a loss
            that is no number.
    """
    check_length(epochs=epochs, steps=steps, minutes=minutes)
    file = out / "checkpoint.npz"
    check_free(file, resume)
    before = Checkpoint.load(resume) if resume else None
    for name in ("recipe", "scale", "seed", "validation_share"):
        if before and (old := getattr(before.config, name)) != (new := getattr(config, name)):
            raise TrainingError(f"{resume} was trained with {name} {old}, and this is {new}; start a new run")
    run = Run(config, data, cache or out / "audio", before)
    progress, losses, validated = run.progress, [], -1

    def done() -> float:
        if minutes is not None:
            return progress.seconds / 60 / minutes
        return progress.step / steps if steps else progress.frames / run.epoch_frames / (epochs or 1)

    check_unfinished(done(), f"give more, or --resume {out / 'best.npz'} begins a new run in another --out")
    write_config(out, config)
    print(run.describe(), flush=True)
    log, ahead = RunLog(out, progress.step), Ahead(run.frames, progress.step)

    def report(found: dict[str, float]) -> None:
        entry: dict[str, Any] = {
            "step": progress.step,
            "epoch": progress.epochs,
            "minutes": round(progress.seconds / 60, 2),
            "hours": round(progress.frames * _FRAME_SECONDS / 3600, 4),
            "learning_rate": float(ops.convert_to_numpy(run.optimizer.learning_rate)),
            "lead": ahead.lead,
        }
        log.write(entry | ({"loss": float(np.mean(losses))} if losses else {}) | found)
        losses.clear()

    def validate_and_save() -> None:
        nonlocal validated
        report(run.validate())
        log.plot()
        run.save(file)
        print(f"saved {file} at step {progress.step}", flush=True)
        run.checkpoint.save(out / "best.npz", best_only=True)
        validated = progress.step

    def go_on_without(save: Callable[[], None]) -> None:
        try:
            save()
        except TrainingError as problem:
            print(f"error: {problem}; the run goes on and tries again later", flush=True)

    try:
        with stop_on_signals() as stopped:
            time_to_log, time_to_save = Every(LOG_SECONDS), Every(save_every_seconds)
            while done() < 1 and not stopped:
                clock = time.monotonic()
                losses.append(run.step(*ahead.take(), done()))
                if not np.isfinite(losses[-1]):
                    good = file if file.exists() else resume
                    kept = f"the last good weights are in {good}" if good else "nothing was saved yet"
                    raise TrainingError(f"the loss is {losses[-1]} at step {progress.step}; {kept}")
                progress.seconds += time.monotonic() - clock
                if progress.frames // run.epoch_frames > progress.epochs:
                    progress.epochs = progress.frames // run.epoch_frames
                    go_on_without(validate_and_save)
                elif time_to_save():
                    go_on_without(lambda: run.save(file))
                elif time_to_log():
                    report({})
            if validated != progress.step:
                validate_and_save()
    finally:
        ahead.close()
        log.close()
    return run.checkpoint
