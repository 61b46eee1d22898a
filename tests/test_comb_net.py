"""Hazard: the net in the pitch filter is another than the one that was trained."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from rtdenoise.comb_net import UNITS, net_step, net_step_numpy, weight_count

FEATURES, OUTPUTS = 7, 5


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(3).normal(0, 0.8, weight_count(FEATURES, OUTPUTS)).astype(np.float32)


def run(step, weights, hops=60):
    """The outputs of one stream, and its memory at the end."""
    rng = np.random.default_rng(4)
    hidden, gates, out = np.zeros(2 * UNITS, "f"), np.zeros(6 * UNITS, "f"), np.zeros(OUTPUTS, "f")
    outputs = []
    for _ in range(hops):
        step(weights, rng.standard_normal(FEATURES).astype(np.float32), hidden, gates, out)
        outputs.append(out.copy())
    return np.stack(outputs), hidden[UNITS:]


def test_kernel_and_twin_agree(weights):
    kernel = numba.njit(lambda *arguments: net_step(*arguments))
    (outputs, memory), (outputs_too, memory_too) = run(kernel, weights), run(net_step_numpy, weights)
    np.testing.assert_allclose(outputs, outputs_too, atol=1e-4)
    np.testing.assert_allclose(memory, memory_too, atol=1e-4)
    assert outputs.std() > 0.1


def test_it_remembers(weights):
    longer, _ = run(net_step_numpy, weights, 30)
    hidden, gates, out = np.zeros(2 * UNITS, "f"), np.zeros(6 * UNITS, "f"), np.zeros(OUTPUTS, "f")
    rng = np.random.default_rng(4)
    last = [rng.standard_normal(FEATURES) for _ in range(30)][-1].astype(np.float32)
    net_step_numpy(weights, last, hidden, gates, out)
    assert np.abs(out - longer[-1]).max() > 0.05
