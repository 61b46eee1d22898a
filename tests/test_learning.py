"""Hazard: steps that learn something else than what is evaluated, or in other proportions than meant."""

from __future__ import annotations

import dataclasses
import os
from itertools import pairwise

import numpy as np
import pytest
from training_data import TINY

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
keras = pytest.importorskip("keras", reason="training needs the extra [train]")
from train import compiled  # noqa: E402
from train.errors import TrainingError  # noqa: E402
from train.muon import Muon  # noqa: E402
from train.task import Learner, MeanWeights, Task, build_net  # noqa: E402

compiled.XLA = False  # compiling takes longer than these few steps


def test_batch_norms_move_until_their_step_and_rest_from_then_on():
    config = dataclasses.replace(TINY, norm_steps=2)
    task = Task(build_net(config), config)
    learner = Learner(task, MeanWeights(task.net, config.ema_steps))
    noisy = (0.1 * np.random.default_rng(0).standard_normal((2, 8192))).astype(np.float32)

    def norms():
        return [np.array(v.numpy()) for v in task.net.non_trainable_variables if "moving" in v.path]

    seen = [norms()]
    for step in range(4):
        learner.step(step, 1.0, noisy, 0.5 * noisy)
        seen.append(norms())
    moved = [any(not np.array_equal(a, b) for a, b in zip(x, y, strict=True)) for x, y in pairwise(seen)]
    assert moved == [True, True, False, False]


@pytest.mark.parametrize("shape", [(96, 40), (1, 3, 16, 24)])
def test_muon_steps_equally_far_in_every_direction(shape):
    rng = np.random.default_rng(1)
    matrix = (int(np.prod(shape[:-1])), shape[-1])
    # A gradient that is a hundred times as long in one direction as in another.
    left, _ = np.linalg.qr(rng.standard_normal((matrix[0], matrix[1])))
    right, _ = np.linalg.qr(rng.standard_normal((matrix[1], matrix[1])))
    gradient = (left * np.geomspace(1, 0.01, matrix[1])) @ right
    variable = keras.Variable(np.zeros(shape, np.float32))
    optimizer = Muon(1.0, weight_decay=0.0)
    optimizer.build([variable])
    optimizer.apply([keras.ops.convert_to_tensor(gradient.reshape(shape).astype(np.float32))], [variable])
    lengths = np.linalg.svd(np.array(variable.numpy()).reshape(matrix), compute_uv=False)
    scale = 0.2 * np.sqrt(max(matrix))
    assert lengths.min() / scale > 0.5
    assert lengths.max() / scale < 1.3


def test_muon_leaves_vectors_and_thin_matrices_to_adamw():
    variables = [keras.Variable(np.zeros(s, np.float32)) for s in ((40,), (40, 8), (40, 16), (1, 3, 16, 16))]
    optimizer = Muon(1e-3)
    optimizer.build(variables)
    assert [velocity is not None for velocity in optimizer.adam_velocities] == [True, True, False, False]


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(TrainingError, match=r"'sgd'.*muon or adamw"):
        dataclasses.replace(TINY, optimizer="sgd")
