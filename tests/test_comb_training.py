"""Hazard: the pitch filter's net learns something else than what runs, or its training cannot be trusted."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from training_data import make_data

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
comb = pytest.importorskip("train.comb", reason="training needs the extra [train]")
pytest.importorskip("keras", reason="training needs the extra [train]")

from rtdenoise import Model, denoise  # noqa: E402
from rtdenoise.comb_net import UNITS, net_step_numpy  # noqa: E402
from rtdenoise.pitch_filter import BANDS, FEATURES  # noqa: E402
from train import compiled  # noqa: E402
from train.config import TrainConfig  # noqa: E402
from train.errors import TrainingError  # noqa: E402

compiled.XLA = False


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """A model that lets half of everything through."""
    return tiny_models.save_constant(tmp_path_factory.mktemp("model") / "half.onnx", 0.5, name="half")


def test_the_net_that_learns_is_the_net_that_runs():
    net = comb.build_net()
    rng = np.random.default_rng(1)
    net.set_weights([w + rng.normal(0, 0.1, w.shape) for w in net.get_weights()])
    features = rng.standard_normal((1, 40, FEATURES)).astype(np.float32)
    hidden, gates, out = np.zeros(2 * UNITS), np.zeros(6 * UNITS), np.zeros(BANDS)
    for heard, expected in zip(features[0], np.asarray(net(features))[0], strict=True):
        net_step_numpy(comb.weights_of(net), heard, hidden, gates, out)
        np.testing.assert_allclose(out, expected, atol=1e-4)


def test_it_hears_what_the_engine_lets_through(half):
    rng = np.random.default_rng(2)
    noisy = (0.1 * rng.standard_normal(128 * 30)).astype(np.float32)
    masked, delayed, features = comb.listen(Model.load(half), noisy)
    assert masked.shape == delayed.shape == (30, 257)
    assert features.shape == (30, FEATURES)
    samples = comb_samples(masked)
    np.testing.assert_allclose(samples, denoise(noisy, 16000, half)[: len(samples)], atol=1e-5)


def comb_samples(frames):
    from rtdenoise.config import STREAM_TRANSFORM
    from train.losses import Transform

    parts = np.stack([frames.real, frames.imag], -1)[None].astype(np.float32)
    return np.asarray(Transform(STREAM_TRANSFORM).samples(parts))[0]


def test_it_learns_and_the_model_keeps_everything_else(data, half, tmp_path, capsys):
    out = tmp_path / "combed.onnx"
    arguments = [str(half), "--data", str(data), "--out", str(out), "--examples", "40", "--cache", str(tmp_path)]
    assert comb.main([*arguments, "--steps", "30"]) == 0
    losses = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines() if "loss" in line]
    assert losses[-1] < losses[0]
    before, after = Model.load(half), Model.load(out)
    assert before.pitch_filter is None
    assert after.pitch_filter is not None
    assert {k: v for k, v in after.metadata.items() if k != "pitch_filter"} == before.metadata


@pytest.mark.timeout(300)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_it_learns_on_another_backend(data, half, tmp_path, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, "-m", "train.comb", str(half), "--data", str(data), "--out", str(tmp_path / "out.onnx")]
    command += ["--examples", "16", "--steps", "10"]
    done = subprocess.run(
        command,
        env=os.environ | {"KERAS_BACKEND": backend},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    losses = [float(line.split()[-1]) for line in done.stdout.splitlines() if "loss" in line]
    assert losses[-1] < losses[0]
    assert Model.load(tmp_path / "out.onnx").pitch_filter is not None


def test_what_cannot_be_taught_is_refused(data, half, tmp_path, capsys):
    other = tiny_models.save_constant(tmp_path / "other.onnx", hop_length="64")
    for model, reason in ((other, "the pitch filter learns at"), (tmp_path / "none.onnx", "cannot be read")):
        out = tmp_path / "out.onnx"
        assert comb.main([str(model), "--data", str(data), "--out", str(out), "--steps", "1"]) == 1
        assert reason in capsys.readouterr().err
        assert not out.exists()
    for wrong, reason in (
        (["--steps", "0"], "steps is 0; it must be above 0"),
        (["--steps", "1", "--examples", "7"], "examples is 7"),
    ):
        assert comb.main([str(half), "--data", str(data), "--out", str(tmp_path / "out.onnx"), *wrong]) == 1
        assert reason in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_said_before_all_the_work(data, half, tmp_path, capsys):
    (tmp_path / "file").touch()
    arguments = [str(half), "--data", str(data), "--out", str(tmp_path / "file" / "out.onnx"), "--steps", "1"]
    assert comb.main(arguments) == 1
    out, err = capsys.readouterr()
    assert "cannot write into" in err
    assert "mixtures heard" not in out


@pytest.mark.parametrize(
    ("minutes", "steps", "said"), [(None, 1, "the loss is nan at step 1"), (1e-4, None, "the weights are no numbers")]
)
def test_what_is_no_number_ends_it(minutes, steps, said):
    rng = np.random.default_rng(3)
    frames = rng.standard_normal((8, 78, 257, 2)).astype(np.float16)
    samples = rng.standard_normal((8, 78 * 128)).astype(np.float32)
    features = np.full((8, 78, FEATURES), np.nan, np.float32)
    with pytest.raises(TrainingError, match=f"{said}.*; nothing is written"):
        comb.learn(comb.Heard(samples, samples, frames, frames, features), TrainConfig(), minutes, steps)


def test_ctrl_c_leaves_the_file_as_it_was(half, tmp_path, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(comb, "teach", stop)
    assert comb.main([str(half), "--data", str(tmp_path), "--out", str(half), "--minutes", "1"]) == 130
    assert "is as it was" in capsys.readouterr().err
