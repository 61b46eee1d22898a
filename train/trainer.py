"""The training loop: mix, step, validate, save; stops cleanly and continues where it stopped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from .adversarial import AdversarialLearner
from .checkpoint import Progress, restore, save_checkpoint
from .compiled import has_gpu
from .config import TrainConfig
from .data import RATE
from .device_mixing import DeviceBatches, DeviceMixer
from .errors import TrainingError
from .material import Material, load_material
from .mixing import BatchStream
from .run import (
    LOG_SECONDS,
    SAVE_SECONDS,
    Every,
    check_free,
    check_length,
    check_unfinished,
    stop_on_signals,
    write_config,
)
from .runlog import RunLog
from .task import Learner, MeanWeights, Task, build_net
from .validation import make_validation

#: Steps between two looks at the loss: to look is to wait for the device.
LOOK_EVERY = 10


def schedule(config: TrainConfig, step: int, done: float) -> float:
    """Share of the learning rate after ``step`` steps of a cycle: a linear warm-up, then a cosine to zero as ``done``
    goes from 0 to 1."""
    warm = min(1.0, (step + 1) / max(config.warm_up_steps, 1))
    return warm * max(0.5 * (1 + float(np.cos(np.pi * min(done, 1.0)))), 1e-3)


def make_batches(config: TrainConfig, material: Material, data: Path, cache: Path, first: int) -> Any:
    """Batches from number ``first`` on, mixed where the configuration says."""
    if config.mixing == "device" or (config.mixing == "auto" and has_gpu()):
        return DeviceBatches(DeviceMixer(config, material), seed=config.seed, size=config.batch, first=first)
    return BatchStream(
        config.mix, data, cache, seed=config.seed, size=config.batch, first=first,
        workers=config.mixers, lead=config.lead,
    )  # fmt: skip


class Figures:
    """What steps returned, read from the device a few steps at a time."""

    def __init__(self) -> None:
        self._unread: list[tuple[int, dict[str, Any]]] = []
        self._read: list[dict[str, float]] = []

    def add(self, step: int, figures: dict[str, Any]) -> None:
        """Keep what ``step`` returned."""
        self._unread.append((step, figures))

    def look(self) -> None:
        """Wait for the steps so far.

        Raises:
            FloatingPointError: the loss of one is no number; says which.
        """
        for step, figures in self._unread:
            values = {name: float(ops.convert_to_numpy(value)) for name, value in figures.items()}
            if not np.isfinite(values["loss"]):
                raise FloatingPointError(f"the loss is {values['loss']} at step {step}")
            self._read.append(values)
        self._unread.clear()

    def means(self) -> dict[str, float]:
        """Of all that was read since the last call."""
        taken, self._read = self._read, []
        return {name: float(np.mean([t[name] for t in taken])) for name in taken[0]} if taken else {}


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
    save_every_seconds: float = SAVE_SECONDS,
) -> Progress:
    """Train ``stream`` for ``minutes`` or ``steps`` (of the whole run, earlier parts included) and leave in ``out``
    ``checkpoint.npz`` (to continue and to export), ``best.npz`` (the same, where validation was best), ``log.jsonl``,
    ``events/``, ``training.png`` and ``config.json``. ``data``: a folder, or a file of ``python -m train.pack``.
    ``new_cycle``: begin the schedule again from the resumed weights, so that the length counts from here.

    Raises:
        DataError: nothing to train on.
        TrainingError: a wrong checkpoint, a full disk, or a loss that is no number.
    """
    check_length(minutes=minutes, steps=steps)
    checkpoint, best = out / "checkpoint.npz", out / "best.npz"
    check_free(checkpoint, resume)
    cache = cache or out / "audio"
    material = load_material(data, cache)
    task = Task(build_net(config), config)
    learner = (AdversarialLearner if config.adversarial.enabled else Learner)(
        task, mean := MeanWeights(task.net, config.ema_steps)
    )
    progress = restore(resume, config, learner, new_cycle) if resume else Progress()
    if new_cycle:
        progress.seconds, progress.cycle_start = 0.0, progress.step
    if not best.exists():  # another run's best was measured on other pairs, or is not here
        progress.best_si_sdr_db = Progress.best_si_sdr_db

    def done() -> float:
        return (progress.step - progress.cycle_start) / steps if steps else progress.seconds / 60 / (minutes or 1)

    def share() -> float:
        return schedule(config, progress.step - progress.cycle_start, done())

    check_unfinished(done(), "give more, or begin a new cycle with --new-cycle")
    validation = make_validation(config, task, material)
    write_config(out, config)
    if material.held_out is not None:
        kept = " and ".join(f"{part.seconds / 60:.1f}" for part in material.held_out)
        print(f"no valid/ in {data}: {kept} minutes of speech and noise are kept from training, to validate with")
    log = RunLog(out, progress.step)
    batches = make_batches(config, material, data, cache, progress.step)
    print(
        f"{task.net.count_params()} parameters, {material.speech.seconds / 3600:.1f} h of speech, "
        f"{material.noise.seconds / 3600:.1f} h of noise, from step {progress.step}; on the validation's pairs: "
        + ", ".join(f"{name} {value:.3g}" for name, value in validation.references().items()),
        flush=True,
    )
    figures = Figures()

    def entry() -> dict[str, Any]:
        return {
            "step": progress.step,
            "minutes": round(progress.seconds / 60, 2),
            "hours": round(progress.audio_hours, 4),
        }

    def report() -> None:
        rate = config.learning_rate * share()
        log.write(entry() | figures.means() | {"learning_rate": rate, "lead": batches.lead})

    def validate_and_save() -> None:
        trained = task.net.get_weights()
        task.net.set_weights(mean.get())
        found = validation.run()
        task.net.set_weights(trained)
        best_before = progress.best_si_sdr_db
        progress.best_si_sdr_db = max(best_before, found["si_sdr_db"])
        log.write(entry() | found | {"best_si_sdr_db": progress.best_si_sdr_db})
        log.plot()
        if progress.best_si_sdr_db > best_before:
            try:
                save_checkpoint(best, config, learner, progress)
            except TrainingError:
                progress.best_si_sdr_db = best_before
                raise
        save_checkpoint(checkpoint, config, learner, progress)
        print(f"saved {checkpoint} at step {progress.step}", flush=True)

    lost: TrainingError | None = None
    saved = f"{resume} is what the run began from" if resume else "nothing was saved yet"
    try:
        with stop_on_signals() as stopped:
            time_to_log, time_to_save = Every(LOG_SECONDS), Every(save_every_seconds)
            before, source = time.monotonic(), iter(batches)
            while done() < 1 and not stopped:
                try:
                    noisy, clean = next(source)
                except TrainingError as problem:
                    lost = problem
                    break
                figures.add(progress.step, learner.step(progress.step, share(), noisy, clean))
                progress.step += 1
                progress.audio_hours += noisy.shape[0] * noisy.shape[1] / RATE / 3600
                if progress.step % LOOK_EVERY == 0:
                    figures.look()
                if time_to_log():
                    figures.look()
                    report()
                if time_to_save():
                    figures.look()
                    try:
                        validate_and_save()
                        saved = f"{checkpoint} holds those of step {progress.step}"
                    except TrainingError as problem:
                        print(f"error: {problem}; the run goes on and tries again later", flush=True)
                now = time.monotonic()
                progress.seconds += now - before
                before = now
            figures.look()
            report()
            validate_and_save()
            if lost is not None and not stopped:
                raise TrainingError(f"{lost} {checkpoint} holds all until step {progress.step}") from lost
    except FloatingPointError as problem:
        raise TrainingError(f"{problem}, so the run stops; the last good weights: {saved}") from problem
    finally:
        batches.close()
        log.close()
    return progress
