"""Hazard: an exported model that is not the trained one. Keras over a whole signal == ONNX hop by hop."""

from __future__ import annotations

import os

import numpy as np
import pytest
from training_data import TINY

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
task = pytest.importorskip("train.task", reason="training needs the extra [train]")

import tiny_models  # noqa: E402

from rtdenoise import Denoiser, Model  # noqa: E402
from train import checkpoint as checkpoint_file  # noqa: E402
from train import export  # noqa: E402


@pytest.fixture(scope="module")
def net():
    """A tiny net whose batch norm and weights are far from where they start."""
    net = task.build_net(TINY)
    rng = np.random.default_rng(7)
    net.set_weights([w + np.abs(0.2 * rng.standard_normal(w.shape)).astype(np.float32) for w in net.get_weights()])
    return net


@pytest.fixture(scope="module")
def checkpoint(net, tmp_path_factory):
    file = tmp_path_factory.mktemp("run") / "checkpoint.npz"
    learner = task.Learner(task.Task(net, TINY), task.MeanWeights(net, 5))
    checkpoint_file.save_checkpoint(file, TINY, learner, checkpoint_file.Progress())
    return file


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "tiny.onnx"
    assert (
        export.main([str(checkpoint), "--out", str(file), "--version", "test", "--training-data-licence", "CC BY 4.0"])
        == 0
    )
    return file


def random_frames(hops):
    rng = np.random.default_rng(1)
    return (rng.standard_normal((1, hops, 257, 2)) * rng.exponential(1.0, (1, hops, 257, 1))).astype(np.float32)


def test_any_cut_of_the_sequence_gives_the_same_masks(net):
    frames = random_frames(40)
    whole, *last = net([frames, *task.zero_states(net, 1)])
    states, parts = task.zero_states(net, 1), []
    for start, end in ((0, 1), (1, 2), (2, 17), (17, 40)):
        mask, *states = net([frames[:, start:end], *states])
        parts.append(np.asarray(mask))
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-5)
    for a, b in zip(states, last, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_net_does_not_see_the_future(net):
    frames = random_frames(30)
    before = np.asarray(net([frames, *task.zero_states(net, 1)])[0])
    frames[:, 20:] = np.nan
    after = np.asarray(net([frames, *task.zero_states(net, 1)])[0])
    assert np.array_equal(before[:, :20], after[:, :20])


def test_onnx_hop_by_hop_equals_keras_over_the_whole(net, exported):
    frames = random_frames(50)
    expected = np.asarray(net([frames, *task.zero_states(net, 1)])[0])[0]
    model = Model.load(exported)
    state = model.initial_state()
    masks = np.stack([model.step(f[..., 0] + 1j * f[..., 1], state).copy() for f in frames[0]])
    np.testing.assert_allclose(masks, expected[..., 0] + 1j * expected[..., 1], atol=1e-5)


def test_the_engine_gives_what_training_heard(net, exported):
    rng = np.random.default_rng(2)
    samples = (0.1 * rng.standard_normal(60 * 128)).astype(np.float32)
    engine_task = task.Task(net, TINY)
    expected = np.asarray(engine_task.transform.samples(engine_task.masked(samples[None])))[0]
    denoiser = Denoiser(16000, exported)
    got = np.concatenate([denoiser.process(samples), denoiser.flush()])[denoiser.latency :]
    np.testing.assert_allclose(got[: len(expected)], expected, atol=1e-5)


def test_the_file_describes_itself(exported, net):
    model = Model.load(exported)
    assert (model.name, model.version) == ("stream", "test")
    assert int(model.metadata["parameters"]) == net.count_params()
    assert int(model.metadata["macs_per_hop"]) > 50_000
    assert "CC BY" in model.metadata["training_data_licence"]


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, capsys):
    nonsense = tmp_path / "nonsense.npz"
    nonsense.write_bytes(b"nonsense")
    assert export.main([str(nonsense), "--out", str(tmp_path / "x.onnx")]) == 1
    assert "not a checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "x.onnx").exists()


def test_a_place_that_cannot_be_written_is_named(checkpoint, tmp_path, capsys):
    assert export.main([str(checkpoint), "--out", str(tmp_path / "nowhere" / "x.onnx")]) == 1
    assert "x.onnx: No such file or directory" in capsys.readouterr().err


def test_the_pitch_filter_of_another_model_is_taken_over(checkpoint, tmp_path, capsys):
    file = tmp_path / "x.onnx"
    assert export.main([str(checkpoint), "--out", str(file), "--filter-of", str(Model.load("stream").path)]) == 0
    np.testing.assert_array_equal(Model.load(file).pitch_filter, Model.load("stream").pitch_filter)
    without = tiny_models.save_constant(tmp_path / "without.onnx")
    for other, reason in ((without, "it has none"), (tmp_path / "missing.onnx", "cannot be read")):
        assert export.main([str(checkpoint), "--out", str(tmp_path / "y.onnx"), "--filter-of", str(other)]) == 1
        assert reason in (error := capsys.readouterr().err)
        assert "python -m train.comb makes one" in error
    assert not (tmp_path / "y.onnx").exists()
