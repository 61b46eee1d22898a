"""The training loop: mix, step, average, validate, save; stops cleanly and continues where it stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import soundfile
from keras import ops

from rtdenoise.config import STREAM_TRANSFORM

from .config import TrainConfig
from .data import find_audio
from .losses import Transform, complex_product, denoising_loss
from .metrics import si_sdr_db
from .mixing import BatchStream, load_mixer
from .model import StreamNet


class TrainingError(Exception):
    """A run that cannot start or go on; the message says where and what is left."""


def build_net(config: TrainConfig) -> StreamNet:
    """A new net with its weights made."""
    keras.utils.set_random_seed(config.seed)
    net = StreamNet(config.net, STREAM_TRANSFORM.n_bins, name="stream")
    net([np.zeros((1, 2, STREAM_TRANSFORM.n_bins, 2), np.float32), *zero_states(net, 1)])
    return net


def zero_states(net: StreamNet, batch: int) -> list[np.ndarray]:
    """The states at the start of a stream."""
    return [np.zeros((batch, *shape), np.float32) for shape in net.state_shapes()]


class Task(keras.Model):
    """The net between waveforms: noisy samples in, masked frames out, trained on ``denoising_loss``."""

    def __init__(self, net: StreamNet, config: TrainConfig) -> None:
        super().__init__(name="task")
        self.net, self.config = net, config
        self.transform = Transform(STREAM_TRANSFORM)

    def call(self, noisy, training: bool = False):
        """``(batch, samples)`` to masked frames ``(batch, hops, n_bins, 2)``."""
        frames = self.transform.frames(noisy)
        states = [ops.zeros((noisy.shape[0], *shape)) for shape in self.net.state_shapes()]
        mask, *_ = self.net([frames, *states], training=training)
        return complex_product(frames, mask)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Keras asks here for the loss of a batch."""
        return denoising_loss(self.config.loss, self.transform, y_pred, x, y)


class Average:
    """Exponential mean of all weights, batch norm's among them; its horizon grows with the run up to its setting."""

    every = 5

    def __init__(self, weights: list[np.ndarray], horizon_steps: float) -> None:
        self.weights = [w.copy() for w in weights]
        self.horizon = horizon_steps

    def update(self, step: int, weights: list[np.ndarray]) -> None:
        """Take in the weights after ``step``."""
        share = 1 - np.exp(-self.every / max(1.0, min(self.horizon, step / 10)))
        for mean, new in zip(self.weights, weights, strict=True):
            mean += np.float32(share) * (new - mean)


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    seconds: float = 0.0  #: of training in this cycle of the schedule, saved runs included
    cycle_start: int = 0  #: step at which this cycle began
    audio_hours: float = 0.0
    best_si_sdr_db: float = -1e9


def schedule(config: TrainConfig, step: int, done: float) -> float:
    """Learning rate: a linear warm-up, then a cosine to zero as ``done`` goes from 0 to 1."""
    warm = min(1.0, (step + 1) / config.warm_up_steps)
    return config.learning_rate * warm * max(0.5 * (1 + np.cos(np.pi * min(done, 1.0))), 1e-3)


class Validation:
    """A few pairs of ``valid/``; without them, a few mixed ones from a seed of their own."""

    def __init__(self, data: Path, mixer, size: int = 24) -> None:
        hop = STREAM_TRANSFORM.hop_length
        if (data / "valid" / "noisy").is_dir():
            files = find_audio(data / "valid" / "noisy")
            files = files[:: max(1, len(files) // size)][:size]
            pairs = [[soundfile.read(data / "valid" / kind / f.name, dtype="float32")[0] for f in files]
                     for kind in ("noisy", "clean")]  # fmt: skip
            n = min(len(s) for s in pairs[0]) // hop * hop
            self.noisy, self.clean = (np.stack([s[:n] for s in kind]) for kind in pairs)
        else:
            self.noisy, self.clean = mixer.batch(2**31, 0, size)

    def run(self, task: Task) -> float:
        """Mean SI-SDR in dB of the task's present weights."""
        estimate = ops.convert_to_numpy(task.transform.samples(task(self.noisy)))
        return float(np.clip(si_sdr_db(estimate, self.clean[:, : estimate.shape[1]]), -30, 60).mean())


@contextlib.contextmanager
def stop_on_signals() -> Iterator[list[int]]:
    """A list that becomes non-empty on SIGTERM or Ctrl+C, so that the loop ends after its step."""
    seen: list[int] = []
    old = {s: signal.signal(s, lambda number, _: seen.append(number)) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def save_checkpoint(file: Path, config: TrainConfig, task: Task, average: Average, progress: Progress) -> None:
    """Everything a run needs to go on, written beside and renamed, so that a full disk costs the new one only."""
    arrays = {f"weight_{i:03}": w for i, w in enumerate(task.net.get_weights())}
    arrays |= {f"mean_{i:03}": w for i, w in enumerate(average.weights)}
    arrays |= {f"optimizer_{i:03}": ops.convert_to_numpy(v) for i, v in enumerate(task.optimizer.variables)}
    partial = file.with_name(file.name + ".partial")
    try:
        with open(partial, "wb") as out:
            np.savez(out, config=config.to_json(), progress=json.dumps(vars(progress)), **arrays)
        os.replace(partial, file)
    except OSError as problem:
        partial.unlink(missing_ok=True)
        raise TrainingError(f"cannot save {file}: {problem.strerror}; the last checkpoint is untouched") from problem


def load_weights(file: Path, kind: str = "mean") -> tuple[TrainConfig, list[np.ndarray]]:
    """Configuration and weights (``mean``, as exported, or ``weight``, as trained) of a checkpoint."""
    try:
        with np.load(file) as stored:
            names = sorted(n for n in stored.files if n.startswith(kind + "_"))
            return TrainConfig.from_json(str(stored["config"])), [stored[n] for n in names]
    except (OSError, ValueError, KeyError) as problem:
        raise TrainingError(f"{file} is not a checkpoint of this program: {problem}") from problem


def restore(file: Path, config: TrainConfig, task: Task, average: Average) -> Progress:
    """Put a checkpoint's weights, mean and optimiser back.

    Raises:
        TrainingError: not a checkpoint, or of another net.
    """
    stored_config, weights = load_weights(file, "weight")
    if stored_config.net != config.net:
        raise TrainingError(f"{file} holds a net of {stored_config.net}, this run's is {config.net}; start a new run")
    _, average.weights = load_weights(file, "mean")
    task.net.set_weights(weights)
    with np.load(file) as stored:
        for i, variable in enumerate(task.optimizer.variables):
            variable.assign(stored[f"optimizer_{i:03}"])
        return Progress(**json.loads(str(stored["progress"])))


def train(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    resume: Path | None = None,
    new_cycle: bool = False,
    cache: Path | None = None,
    save_every_seconds: float = 240.0,
) -> Progress:
    """Train ``stream`` for ``minutes`` or ``steps`` (of the whole run, earlier parts included) and leave in ``out``
    ``checkpoint.npz`` (to continue and to export), ``log.jsonl`` and ``config.json``. ``new_cycle``: begin the
    schedule again from the resumed weights, so that the length counts from here.

    Raises:
        DataError: nothing to train on.
        TrainingError: a wrong checkpoint, a full disk, or a loss that is no number.
    """
    if (minutes is None) == (steps is None):
        raise TrainingError("give the length of the run either in minutes or in steps")
    out.mkdir(parents=True, exist_ok=True)
    cache = cache or out / "audio"
    mixer = load_mixer(config.mix, data, cache)
    validation = Validation(data, mixer)
    task = Task(build_net(config), config)
    optimizer = keras.optimizers.AdamW(
        config.learning_rate, weight_decay=config.weight_decay, global_clipnorm=config.clip_norm
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    task.compile(optimizer=optimizer, jit_compile=keras.backend.backend() != "torch")
    optimizer.build(task.net.trainable_variables)
    average = Average(task.net.get_weights(), config.ema_steps)
    progress = restore(resume, config, task, average) if resume else Progress()
    if new_cycle:
        progress.seconds, progress.cycle_start = 0.0, progress.step
    (out / "config.json").write_text(config.to_json())
    print(config.to_json())
    print(
        f"{task.net.count_params()} parameters, {mixer.speech.corpus.seconds / 3600:.1f} h of speech, "
        f"{mixer.noise.corpus.seconds / 3600:.1f} h of noise, from step {progress.step}", flush=True
    )  # fmt: skip
    batches = BatchStream(
        config.mix, data, cache, seed=config.seed, size=config.batch, first=progress.step,
        workers=config.mixers, lead=config.lead,
    )  # fmt: skip
    checkpoint = out / "checkpoint.npz"
    losses: list[float] = []
    last_save = last_log = time.monotonic()

    def report() -> None:
        entry = {
            "step": progress.step, "minutes": round(progress.seconds / 60, 2), "hours": round(progress.audio_hours, 3),
            "loss": float(np.mean(losses)) if losses else None,
            "learning_rate": float(ops.convert_to_numpy(optimizer.learning_rate)),
            "lead": batches.lead, "best_si_sdr_db": round(progress.best_si_sdr_db, 3),
        }  # fmt: skip
        with open(out / "log.jsonl", "a") as log:
            log.write(json.dumps(entry) + "\n")
        print(" ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in entry.items()), flush=True)
        losses.clear()

    def validate_and_save() -> None:
        trained = task.net.get_weights()
        task.net.set_weights(average.weights)
        progress.best_si_sdr_db = max(progress.best_si_sdr_db, si_sdr := validation.run(task))
        task.net.set_weights(trained)
        save_checkpoint(checkpoint, config, task, average, progress)
        print(f"saved {checkpoint} at step {progress.step}: SI-SDR of the mean weights {si_sdr:.2f} dB", flush=True)

    try:
        with stop_on_signals() as stopped:
            before = time.monotonic()
            for noisy, clean in batches:
                done = (progress.step - progress.cycle_start) / steps if steps else progress.seconds / 60 / (minutes or 1)
                if done >= 1 or stopped:
                    break
                optimizer.learning_rate.assign(schedule(config, progress.step, done))
                task.reset_metrics()
                loss = float(task.train_on_batch(noisy, clean))
                if not np.isfinite(loss):
                    raise TrainingError(
                        f"the loss is {loss} at step {progress.step}; the last good weights are in {checkpoint}"
                    )
                losses.append(loss)
                now = time.monotonic()
                progress.step += 1
                progress.seconds += now - before
                progress.audio_hours += noisy.size / 16000 / 3600
                before = now
                if progress.step % Average.every == 0:
                    average.update(progress.step, task.net.get_weights())
                if now - last_log > 30:
                    last_log = now
                    report()
                if now - last_save > save_every_seconds:
                    last_save = now
                    validate_and_save()
                    before = time.monotonic()
            report()
            validate_and_save()
    finally:
        batches.close()
    return progress
