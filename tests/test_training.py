"""Hazard: a run that cannot be stopped, continued or trusted."""

from __future__ import annotations

import os
import resource
import signal
import sys

import numpy as np
import pytest
from training_data import TINY, make_data

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
trainer = pytest.importorskip("train.trainer", reason="training needs the extra [train]")
from train import __main__ as command  # noqa: E402

STEPS = 7


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"), with_valid=True)


@pytest.fixture(scope="module")
def uncut(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("uncut")
    progress = trainer.train(TINY, data, out, steps=STEPS)
    assert progress.step == STEPS
    return out / "checkpoint.npz"


def test_a_run_that_was_stopped_and_resumed_equals_an_uncut_one(data, uncut, tmp_path, monkeypatch):
    step = trainer.Task.train_on_batch
    calls = []

    def stopped_in_its_fourth_step(self, *batch):
        calls.append(1)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, *batch)

    monkeypatch.setattr(trainer.Task, "train_on_batch", stopped_in_its_fourth_step)
    first = trainer.train(TINY, data, tmp_path, steps=STEPS)
    assert first.step == 4
    monkeypatch.undo()
    second = trainer.train(TINY, data, tmp_path, steps=STEPS, resume=tmp_path / "checkpoint.npz")
    assert second.step == STEPS
    for kind in ("mean", "weight"):
        _, expected = trainer.load_weights(uncut, kind)
        _, got = trainer.load_weights(tmp_path / "checkpoint.npz", kind)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_the_loss_falls(data, tmp_path):
    net = trainer.build_net(TINY)
    task = trainer.Task(net, TINY)
    task.compile(optimizer=trainer.keras.optimizers.AdamW(3e-3), jit_compile=False)
    noisy, clean = trainer.load_mixer(TINY.mix, data, tmp_path).batch(0, 0, 4)
    losses = []
    for _ in range(12):
        task.reset_metrics()
        losses.append(float(task.train_on_batch(noisy, clean)))
    assert losses[-1] < 0.9 * losses[0]


def test_the_transform_of_training_is_that_of_the_engine():
    from rtdenoise.config import STREAM_TRANSFORM
    from train.losses import Transform

    rng = np.random.default_rng(0)
    samples = rng.standard_normal((2, 20 * 128)).astype(np.float32)
    transform = Transform(STREAM_TRANSFORM)
    back = np.asarray(transform.samples(transform.frames(samples)))
    np.testing.assert_allclose(back, samples[:, : back.shape[1]], atol=2e-5)


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(data, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer.Task, "train_on_batch", lambda *_: float("nan"))
    with pytest.raises(trainer.TrainingError, match="loss is nan at step 0"):
        trainer.train(TINY, data, tmp_path, steps=STEPS)


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_while_saving_costs_only_the_new_checkpoint(uncut, data, tmp_path):
    config, _ = trainer.load_weights(uncut)
    task = trainer.Task(trainer.build_net(config), config)
    task.compile(optimizer="adam")
    task.optimizer.build(task.net.trainable_variables)
    average = trainer.Average(task.net.get_weights(), 5)
    before = uncut.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(trainer.TrainingError, match="cannot save"):
            trainer.save_checkpoint(uncut, config, task, average, trainer.Progress())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert uncut.read_bytes() == before
    assert not list(uncut.parent.glob("*.partial"))


def test_checkpoints_of_another_net_and_files_that_are_none_are_refused(data, uncut, tmp_path):
    import dataclasses

    other = dataclasses.replace(TINY, net=dataclasses.replace(TINY.net, core_blocks=2))
    with pytest.raises(trainer.TrainingError, match="start a new run"):
        trainer.train(other, data, tmp_path, steps=1, resume=uncut)
    nonsense = tmp_path / "nonsense.npz"
    nonsense.write_bytes(b"nonsense")
    with pytest.raises(trainer.TrainingError, match="not a checkpoint"):
        trainer.load_weights(nonsense)
    with pytest.raises(trainer.TrainingError, match="minutes or in steps"):
        trainer.train(TINY, data, tmp_path)


def test_the_command_says_what_is_wrong_in_one_line(tmp_path, capsys):
    assert command.main(["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--steps", "1"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "no audio here" in said
