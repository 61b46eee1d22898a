"""Hazard: training that works on one backend of Keras only, or learns something else there."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_data import TINY, make_data

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
pytest.importorskip("train.trainer", reason="training needs the extra [train]")
import backend_check

from train import __main__ as command
from train import compiled, pack
from train.checkpoint import Progress, load_weights, restore, save_checkpoint
from train.errors import TrainingError
from train.task import Learner, MeanWeights, Task, build_net

compiled.XLA = False


def make_learner():
    task = Task(build_net(TINY), TINY)
    return Learner(task, MeanWeights(task.net, TINY.ema_steps))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data, a checkpoint to start from, and what this process's backend makes of both."""
    folder = tmp_path_factory.mktemp("backends")
    pack.pack(make_data(folder / "data", with_valid=True), folder / "audio.npz", folder / "cache")
    save_checkpoint(folder / "start.npz", TINY, make_learner(), Progress(step=3))
    rng = np.random.default_rng(0)
    shapes = {"product": (7, 5, 12), "state": (5, 4), "recurrent": (4, 12), "bias": (4,), "weights": (7, 5, 4)}
    np.savez(folder / "gru.npz", **{k: rng.standard_normal(s).astype(np.float32) for k, s in shapes.items()})
    with np.load(folder / "gru.npz") as arrays:
        np.savez(folder / "gradients_here.npz", **backend_check.gradients(dict(arrays)))
    backend_check.short_run(folder, folder / "here")
    return folder


def last_figures(out: Path) -> dict[str, float]:
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return {k: v for entry in entries for k, v in entry.items()}


def test_the_written_gradient_of_the_recurrent_layer_is_that_of_the_plain_loop(folder):
    with np.load(folder / "gradients_here.npz") as found:
        for i in range(4):
            np.testing.assert_allclose(found[f"written_{i}"], found[f"plain_{i}"], rtol=1e-4, atol=1e-5)
            assert np.abs(found[f"plain_{i}"]).max() > 0.1


@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_has_the_same_gradients_and_goes_on_from_the_same_checkpoint(folder, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = os.environ | {"KERAS_BACKEND": backend}
    environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # of two steps most of the time is compilation
    script = [sys.executable, str(Path(__file__).with_name("backend_check.py")), str(folder)]
    done = subprocess.run(script, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(folder / f"gradients_{backend}.npz") as there, np.load(folder / "gradients_here.npz") as here:
        for name in here.files:
            np.testing.assert_allclose(there[name], here[name], rtol=1e-3, atol=1e-4)
    if backend == "jax":  # on a GPU it would take 11 bits if it were not told
        assert "HIGHEST" in (folder / "products.txt").read_text()
    ours, theirs = last_figures(folder / "here"), last_figures(folder / backend)
    for figure in ("loss", "validation_loss", "si_sdr_db", "clean_si_sdr_db"):
        assert theirs[figure] == pytest.approx(ours[figure], rel=0.02, abs=0.05), figure
    for kind in ("mean", "weight"):
        for a, b in zip(
            *(load_weights(folder / o / "checkpoint.npz", kind)[1] for o in (backend, "here")), strict=True
        ):
            # A first step goes by the gradient's direction, which differs where the gradient is nearly nothing.
            assert np.mean(np.abs(a - b)) < 2e-4
    assert restore(folder / backend / "checkpoint.npz", TINY, learner := make_learner()).step == 5
    assert int(learner.optimizer.iterations) == 2


def test_a_backend_that_is_none_or_not_there_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "tensorfow")
    assert command.main(["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--steps", "1"]) == 1
    assert "KERAS_BACKEND is 'tensorfow'; it must be one of tensorflow, jax, torch" in capsys.readouterr().err
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(TrainingError, match="jax is not installed"):
        compiled.check_backend()
