"""Hazard: a run that cannot be stopped, continued or trusted."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import shutil
import signal
import sys

import numpy as np
import pytest
from training_data import TINY, make_data

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
trainer = pytest.importorskip("train.trainer", reason="training needs the extra [train]")
from train import compiled  # noqa: E402
from train.checkpoint import Progress, load_weights, restore, save_checkpoint  # noqa: E402
from train.errors import DataError, TrainingError  # noqa: E402
from train.material import load_material  # noqa: E402
from train.mixing import mixer_of  # noqa: E402
from train.task import Learner, MeanWeights, Task, build_net  # noqa: E402

STEPS = 7
compiled.XLA = False  # compiling takes longer than these few steps; one test below compiles


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"), with_valid=True)


@pytest.fixture(scope="module")
def uncut(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("uncut")
    progress = trainer.train(TINY, data, out, steps=STEPS)
    assert progress.step == STEPS
    return out / "checkpoint.npz"


def make_learner(config=TINY):
    task = Task(build_net(config), config)
    return Learner(task, MeanWeights(task.net, config.ema_steps))


def test_a_run_that_was_stopped_and_resumed_equals_an_uncut_one(data, uncut, tmp_path, monkeypatch):
    step = Learner.step

    def stopped_in_its_fourth_step(self, number, *batch):
        if number == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, number, *batch)

    monkeypatch.setattr(Learner, "step", stopped_in_its_fourth_step)
    first = trainer.train(TINY, data, tmp_path, steps=STEPS)
    assert first.step == 4
    monkeypatch.undo()
    second = trainer.train(TINY, data, tmp_path, steps=STEPS, resume=tmp_path / "checkpoint.npz")
    assert second.step == STEPS
    for kind in ("mean", "weight", "optimizer"):
        _, expected = load_weights(uncut, kind)
        _, got = load_weights(tmp_path / "checkpoint.npz", kind)
        assert len(got) == len(expected) > 0
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_a_run_leaves_its_log_events_plots_and_best_weights(uncut):
    out = uncut.parent
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert {"loss", "learning_rate", "hours", "lead"} <= lines[0].keys()
    assert {"validation_loss", "si_sdr_db", "clean_si_sdr_db"} <= lines[-1].keys()
    assert load_weights(out / "best.npz")[0] == TINY
    pytest.importorskip("matplotlib")
    assert (out / "training.png").read_bytes().startswith(b"\x89PNG")
    pytest.importorskip("tensorboardX")
    (events,) = (out / "events").iterdir()
    read = events_of(events)
    assert {"loss", "si_sdr_db", "learning_rate"} <= {value.tag for event in read for value in event.summary.value}


def events_of(file):
    from tensorboardX.proto.event_pb2 import Event

    record, read = file.read_bytes(), []
    while record:
        length = int.from_bytes(record[:8], "little")
        read.append(Event.FromString(record[12 : 12 + length]))
        record = record[16 + length :]
    return read


def test_a_run_that_goes_on_keeps_what_it_had_written_up_to_there(tmp_path):
    pytest.importorskip("tensorboardX")
    from train.runlog import RunLog

    log = RunLog(tmp_path, 4)
    log.write({"step": 5, "hours": 0.5, "loss": 1.0})
    log.close()
    (file,) = (tmp_path / "events").iterdir()
    first_that_is_dropped = [event.step for event in events_of(file) if event.HasField("session_log")]
    assert first_that_is_dropped == [5]


def test_a_plot_leaves_out_what_was_lost(tmp_path, monkeypatch):
    figure = pytest.importorskip("matplotlib.figure")
    from train.runlog import draw

    drawn = []
    monkeypatch.setattr(figure.Figure, "savefig", lambda self, file, **_: (drawn.append(self), file.write_bytes(b"x")))
    draw([{"step": s, "hours": s / 10, "loss": i} for i, s in enumerate((1, 2, 3, 2, 3))], tmp_path / "a.png")
    assert list(drawn[0].axes[0].lines[0].get_ydata()) == [0, 1, 3, 4]


def test_a_compiled_step_is_the_plain_one_and_the_loss_falls(data, tmp_path, monkeypatch):
    noisy, clean = mixer_of(TINY.mix, load_material(data, tmp_path)).batch(0, 0, 4)
    losses = {}
    for xla in (False, True):
        monkeypatch.setattr(compiled, "XLA", xla)
        learner = make_learner()
        losses[xla] = [float(learner.step(50 + i, 3.0, noisy, clean)["loss"]) for i in range(12)]
    assert losses[True][-1] < 0.9 * losses[True][0]
    np.testing.assert_allclose(losses[True], losses[False], rtol=0.02)


def test_the_transform_of_training_is_that_of_the_engine():
    from rtdenoise.config import STREAM_TRANSFORM
    from train.losses import Transform

    rng = np.random.default_rng(0)
    samples = rng.standard_normal((2, 20 * 128)).astype(np.float32)
    transform = Transform(STREAM_TRANSFORM)
    back = np.asarray(transform.samples(transform.frames(samples)))
    np.testing.assert_allclose(back, samples[:, : back.shape[1]], atol=2e-5)


def test_a_loss_that_is_no_number_stops_the_run_and_says_what_is_left(data, uncut, tmp_path, monkeypatch):
    monkeypatch.setattr(Learner, "step", lambda self, step, *_: {"loss": float("nan") if step == 2 else 1.0})
    with pytest.raises(TrainingError, match=r"loss is nan at step 2, .* nothing was saved yet"):
        trainer.train(TINY, data, tmp_path / "a", steps=STEPS)
    assert not (tmp_path / "a" / "checkpoint.npz").exists()
    monkeypatch.setattr(Learner, "step", lambda *_: {"loss": float("inf")})
    with pytest.raises(TrainingError, match=rf"loss is inf at step {STEPS}, .*checkpoint.npz is what the run began"):
        trainer.train(TINY, data, tmp_path / "b", steps=STEPS + 1, resume=uncut)
    monkeypatch.setattr(Learner, "step", lambda self, step, *_: {"loss": float("nan") if step == 5 else 1.0})
    with pytest.raises(TrainingError, match=r"step 5, .*checkpoint.npz holds those of step 5"):
        trainer.train(TINY, data, tmp_path / "c", steps=STEPS, save_every_seconds=0)


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_while_saving_costs_only_the_new_checkpoint(uncut, tmp_path):
    learner = make_learner()
    before = uncut.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(TrainingError, match=r"cannot save .* untouched"):
            save_checkpoint(uncut, TINY, learner, Progress())
        with pytest.raises(TrainingError, match=r"cannot save .* none was saved there before"):
            save_checkpoint(tmp_path / "new.npz", TINY, learner, Progress())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert uncut.read_bytes() == before
    assert not list(uncut.parent.glob("*.partial"))


def test_a_full_disk_in_the_midst_of_a_run_does_not_end_it(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Learner, "step", lambda *_: {"loss": 1.0})
    save, calls = save_checkpoint, []

    def full_at_first(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise TrainingError("cannot save it: No space left on device")
        save(*arguments)

    monkeypatch.setattr(trainer, "save_checkpoint", full_at_first)
    assert trainer.train(TINY, data, tmp_path, steps=2, save_every_seconds=0).step == 2
    assert "No space left on device; the run goes on" in capsys.readouterr().out
    assert load_weights(tmp_path / "checkpoint.npz")[0] == TINY


def test_a_best_that_cannot_be_saved_is_not_the_best(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Learner, "step", lambda *_: {"loss": 1.0})
    save, names = save_checkpoint, []

    def full_at_first(file, *arguments):
        names.append(file.name)
        if len(names) == 1:
            raise TrainingError("cannot save it: No space left on device")
        save(file, *arguments)

    monkeypatch.setattr(trainer, "save_checkpoint", full_at_first)
    trainer.train(TINY, data, tmp_path, steps=2, save_every_seconds=0)
    assert names[:3] == ["best.npz", "best.npz", "checkpoint.npz"]


def test_elsewhere_a_run_has_no_best_yet(data, uncut, tmp_path, monkeypatch):
    monkeypatch.setattr(Learner, "step", lambda *_: {"loss": 1.0})
    monkeypatch.setattr(Progress, "best_si_sdr_db", -1e9)
    with np.load(uncut) as stored:
        arrays = dict(stored)
    arrays["progress"] = json.dumps(json.loads(str(arrays["progress"])) | {"best_si_sdr_db": 99.0})
    np.savez(tmp_path / "from.npz", **arrays)
    trainer.train(TINY, data, tmp_path / "out", steps=STEPS + 1, resume=tmp_path / "from.npz")
    assert (tmp_path / "out" / "best.npz").exists()


def test_a_new_cycle_warms_up(data, uncut, tmp_path, monkeypatch):
    shares = []
    monkeypatch.setattr(Learner, "step", lambda self, number, share, *_: shares.append(share) or {"loss": 1.0})
    config = dataclasses.replace(TINY, warm_up_steps=10)
    trainer.train(config, data, tmp_path, steps=3, resume=uncut, new_cycle=True)
    assert shares[0] == pytest.approx(0.1)
    assert shares[0] < shares[1]


def test_a_mixer_that_dies_ends_the_run_with_all_saved(data, tmp_path, monkeypatch):
    step = Learner.step

    def deadly(self, number, *batch):
        if number == 1:
            for process in mixers[0].processes:
                process.kill()
        return step(self, number, *batch)

    mixers = []
    make = trainer.make_batches
    monkeypatch.setattr(trainer, "make_batches", lambda *a: mixers.append(make(*a)) or mixers[0])
    monkeypatch.setattr(Learner, "step", deadly)
    with pytest.raises(TrainingError, match=r"a process that mixes has died.*checkpoint.npz holds all until step"):
        trainer.train(TINY, data, tmp_path, steps=500)
    assert load_weights(tmp_path / "checkpoint.npz")[0] == TINY


def test_checkpoints_of_another_net_and_files_that_are_none_are_refused(uncut, tmp_path):
    other = dataclasses.replace(TINY, net=dataclasses.replace(TINY.net, core_blocks=2))
    with pytest.raises(TrainingError, match="start a new run"):
        restore(uncut, other, make_learner(other))
    with np.load(uncut) as stored:
        arrays = dict(stored)
    arrays["weight_000"] = arrays["weight_000"][..., :1]
    np.savez(tmp_path / "cut.npz", **arrays)
    with pytest.raises(TrainingError, match="other arrays than this configuration needs"):
        restore(tmp_path / "cut.npz", TINY, make_learner())
    adam = dataclasses.replace(TINY, optimizer="adamw")
    with pytest.raises(TrainingError, match="--new-cycle begins with a new optimiser"):
        restore(uncut, adam, make_learner(adam))
    assert restore(uncut, adam, learner := make_learner(adam), new_optimizer=True).step == STEPS
    assert int(learner.optimizer.iterations) == 0
    for content in (b"nonsense", b"", uncut.read_bytes()[:5000]):
        (tmp_path / "nonsense.npz").write_bytes(content)
        with pytest.raises(TrainingError, match="not a checkpoint"):
            load_weights(tmp_path / "nonsense.npz")


def test_the_checkpoint_that_the_project_carries_goes_on(tmp_path):
    from pathlib import Path

    carried = Path(trainer.__file__).parent / "checkpoints" / "stream.npz"
    config, weights = load_weights(carried)
    learner = make_learner(config)
    assert restore(carried, config, learner).step > 1000
    np.testing.assert_array_equal(learner.mean.get()[0], weights[0])
    assert int(learner.optimizer.iterations) > 1000


def test_lengths_and_places_that_make_no_run_are_refused(data, uncut, tmp_path):
    for length, said in [
        ({}, "one of minutes, steps; given: none"),
        ({"minutes": 1.0, "steps": 1}, "given: {'minutes': 1.0, 'steps': 1}"),
        ({"minutes": 0.0}, "minutes is 0.0; it must be above 0"),
        ({"steps": -1}, "steps is -1; it must be above 0"),
    ]:
        with pytest.raises(TrainingError, match=said):
            trainer.train(TINY, data, tmp_path, **length)
    with pytest.raises(TrainingError, match="is there already: go on from it with --resume"):
        trainer.train(TINY, data, uncut.parent, steps=1)
    other = shutil.copy(uncut, tmp_path / "other.npz")
    with pytest.raises(TrainingError, match="is there already: go on from it with --resume"):
        trainer.train(TINY, data, uncut.parent, steps=1, resume=other)
    with pytest.raises(TrainingError, match=r"has 1.00 of the length that is given; .* --new-cycle"):
        trainer.train(TINY, data, uncut.parent, steps=STEPS, resume=uncut)
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="cannot write into"):
        trainer.train(TINY, data, tmp_path / "file" / "out", steps=1, cache=tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        trainer.train(TINY, tmp_path / "absent", tmp_path / "out", steps=1)
