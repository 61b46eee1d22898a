"""Hazard: a discriminator that does not learn, is not heard, or is lost when a run goes on."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
from training_data import TINY, make_data

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
pytest.importorskip("train.trainer", reason="training needs the extra [train]")
from train import compiled
from train.adversarial import AdversarialLearner
from train.checkpoint import Progress, load_weights, restore, save_checkpoint
from train.material import load_material
from train.mixing import mixer_of
from train.task import Learner, MeanWeights, Task, build_net

compiled.XLA = False
CONFIG = dataclasses.replace(TINY, adversarial=dataclasses.replace(TINY.adversarial, enabled=True, learning_rate=2e-3))


def make_learner(config=CONFIG, kind=AdversarialLearner):
    task = Task(build_net(config), config)
    return kind(task, MeanWeights(task.net, config.ema_steps))


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    data = make_data(tmp_path_factory.mktemp("data"), with_valid=True)
    return mixer_of(TINY.mix, load_material(data, tmp_path_factory.mktemp("cache"))).batch(0, 0, 2)


@pytest.fixture(scope="module")
def trained(batch):
    """A learner after some steps, and what they returned."""
    learner = make_learner()
    return learner, [{k: float(v) for k, v in learner.step(i, 1.0, *batch).items()} for i in range(10)]


def test_the_discriminator_learns(trained):
    _, figures = trained
    assert figures[-1]["judge_loss"] < 0.9 * figures[0]["judge_loss"]
    assert all(np.isfinite(list(f.values())).all() for f in figures)


def test_the_net_hears_it_after_its_head_start_only(trained, batch):
    _, figures = trained
    plain = make_learner(kind=Learner)
    alone = [float(plain.step(i, 1.0, *batch)["loss"]) for i in range(3)]
    head_start = CONFIG.adversarial.head_start_steps
    assert head_start == 2
    np.testing.assert_allclose([f["loss"] for f in figures[:head_start]], alone[:head_start], rtol=1e-3)
    assert figures[head_start]["loss"] > alone[head_start] + 0.02


def test_the_discriminator_is_saved_and_goes_on_with_its_optimiser(trained, batch, tmp_path):
    learner, _ = trained
    file = tmp_path / "checkpoint.npz"
    save_checkpoint(file, CONFIG, learner, Progress(step=10))
    again = make_learner()
    restore(file, CONFIG, again)
    for name in ("judge", "judge_optimizer"):
        for a, b in zip(again.state()[name], learner.state()[name], strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    expected, got = ({k: float(v) for k, v in one.step(10, 1.0, *batch).items()} for one in (learner, again))
    assert got == pytest.approx(expected, rel=1e-4)


def test_a_run_without_one_can_be_fine_tuned_and_back(trained, tmp_path):
    learner, _ = trained
    save_checkpoint(tmp_path / "with.npz", CONFIG, learner, Progress(step=10))
    assert restore(tmp_path / "with.npz", TINY, make_learner(TINY, Learner)).step == 10
    save_checkpoint(tmp_path / "without.npz", TINY, make_learner(TINY, Learner), Progress(step=4))
    assert restore(tmp_path / "without.npz", CONFIG, fresh := make_learner()).step == 4
    assert int(fresh.judge_optimizer.iterations) == 0
    assert load_weights(tmp_path / "without.npz")[0].adversarial == TINY.adversarial
