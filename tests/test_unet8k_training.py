"""Hazard: unet8k is not the seed's net, its validation hears what training heard, or a run cannot be trusted."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal

import numpy as np
import pytest
import soundfile
from training_data import make_data, speech_like

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
pytest.importorskip("keras", reason="training needs the extra [train]")

import onnxruntime

from rtdenoise import Model
from rtdenoise.config import CONTEXT_TRANSFORM
from train import __main__ as command
from train import export as export_command
from train.checkpoint import load_weights
from train.data import Corpus
from train.errors import DataError, TrainingError
from train.unet8k import net as net_module
from train.unet8k import trainer
from train.unet8k.checkpoint import Checkpoint
from train.unet8k.config import RECIPES, SEED, UnetConfig
from train.unet8k.data import Frames, held_out
from train.unet8k.spectra import FULL_SCALE, decibels, examples, seed_scale_loss

TINY = dataclasses.replace(UnetConfig(), batch=2, epoch_frames=4, validation_frames=3, warm_up_steps=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for kind in ("clean", "noise"):
        for source in range(4):
            (folder / kind / f"{kind}{source}").mkdir(parents=True)
            samples = speech_like(rng, 3) if kind == "clean" else 0.1 * rng.standard_normal(48000)
            soundfile.write(folder / kind / f"{kind}{source}" / "1.wav", samples, 16000)
    return folder


def test_the_net_has_the_seeds_1_941_093_parameters_and_858_million_macs():
    net = net_module.build_net(0.5)
    assert net.count_params() == 1_941_093
    assert net.input_shape == net.output_shape == (None, 128, 128, 1)
    assert net_module.CHANNELS == (16, 32, 64, 128, 256)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_configuration_survives_its_file(recipe):
    assert UnetConfig.from_json(RECIPES[recipe].to_json()) == RECIPES[recipe]


def test_the_seeds_recipe_is_the_published_one():
    assert (SEED.batch, SEED.learning_rate, SEED.cosine, SEED.mean_steps, SEED.dropout) == (10, 1e-3, False, 0.0, 0.2)
    scale = SEED.scale
    assert (scale.reference, scale.centre, scale.spread) == ("maximum", -46, 50)
    assert (scale.out_centre, scale.out_spread) == (6, 82)


def corpus(sets):
    bounds = np.arange(len(sets) + 1) * 1000
    return Corpus(np.zeros(bounds[-1], np.int16), bounds, sets, sets)


@pytest.mark.parametrize(
    "sets",
    [
        [f"p{i:03}" for i in range(40)],
        [f"{speaker}-{chapter}" for speaker in range(100, 130) for chapter in range(3)],
        [f"1-{recording}-{take}" for recording in range(500, 530) for take in "ABC"],
    ],
)
def test_a_tenth_is_held_out_speaker_by_speaker_and_recording_by_recording(sets):
    chosen = held_out(corpus(sets), 0.1, 1, "speech")
    assert 0.05 < sum(name in chosen for name in sets) / len(sets) < 0.15
    parts = ["-".join(name.split("-")[: 2 if name.endswith(("A", "B", "C")) else 1]) for name in sets]
    for one in set(parts):
        assert len({name in chosen for name, part in zip(sets, parts, strict=True) if part == one}) == 1


def test_one_speaker_only_cannot_be_divided(tmp_path, capsys):
    with pytest.raises(DataError, match="all speech is of one set, 'voice', so none can be held out"):
        Frames(TINY, make_data(tmp_path / "data"), tmp_path)
    arguments = ["--model", "unet8k", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert command.main([*arguments, "--steps", "1"]) == 1
    assert "\nerror: all speech is of one set" in "\n" + capsys.readouterr().err


@pytest.mark.parametrize("recipe", RECIPES)
def test_training_and_validation_share_no_voice_and_no_noise(data, tmp_path, recipe):
    config = dataclasses.replace(RECIPES[recipe], validation_share=0.25)
    frames = Frames(config, data, tmp_path)
    for mixers in zip(
        (frames.training.speech, frames.training.noise),
        (frames.validation.speech, frames.validation.noise),
        strict=True,
    ):
        drawn = [set(np.flatnonzero(source.chance)) for source in mixers]
        assert drawn[0]
        assert drawn[1]
        assert not drawn[0] & drawn[1]
    noisy, clean = frames.batch(3, 2)
    assert noisy.shape == clean.shape == (2, 8064)
    assert np.array_equal(noisy, frames.batch(3, 2)[0])
    assert not np.array_equal(noisy, frames.batch(4, 2)[0])


def test_decibels_have_a_fixed_reference_or_the_frames_own():
    magnitudes = np.full((1, 128, 128), FULL_SCALE / 10, np.float32)
    assert decibels(magnitudes, UnetConfig().scale) == pytest.approx(-20)
    assert decibels(magnitudes, SEED.scale) == pytest.approx(0)
    assert decibels(0 * magnitudes, UnetConfig().scale) == pytest.approx(-110)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_target_is_the_noises_part_of_the_decibels(recipe, noise):
    config = RECIPES[recipe]
    clean = 0.1 * noise(8064)[None]
    pictures, targets = examples(config, 2 * clean, clean)
    assert pictures.shape == (1, 128, 128, 1)
    expected = 20 * np.log10(2) if recipe == "improved" else 0.0  # the maximum of each is 0 dB
    found = targets[..., 0] * config.scale.out_spread + config.scale.out_centre
    assert np.median(found) == pytest.approx(expected, abs=0.01)
    nothing = -config.scale.out_centre / config.scale.out_spread
    assert seed_scale_loss(config, targets, nothing) == pytest.approx(expected**2 / 82**2, abs=1e-4)


@pytest.fixture(scope="module")
def small():
    """The same layers, few channels; and step by step, since to make a graph of them takes longer than a few steps."""
    patch = pytest.MonkeyPatch()
    patch.setattr(net_module, "CHANNELS", (2, 2, 3, 3, 4))
    compile = trainer.keras.Model.compile
    patch.setattr(trainer.keras.Model, "compile", lambda self, **how: compile(self, **how, run_eagerly=True))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def uncut(small, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("uncut")
    assert trainer.train(TINY, data, out, steps=4).progress.step == 4
    return out


def test_a_run_that_was_stopped_and_resumed_equals_an_uncut_one(small, data, uncut, tmp_path, monkeypatch):
    take, calls = trainer.Ahead.take, []

    def stopped_in_its_third_step(self):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return take(self)

    monkeypatch.setattr(trainer.Ahead, "take", stopped_in_its_third_step)
    assert trainer.train(TINY, data, tmp_path, steps=4).progress.step == 3
    monkeypatch.undo()
    arguments = ["--model", "unet8k", "--data", str(data), "--out", str(tmp_path), "--steps", "4"]
    assert command.main([*arguments, "--resume", str(tmp_path / "checkpoint.npz")]) == 0
    one, other = (Checkpoint.load(folder / "checkpoint.npz") for folder in (tmp_path, uncut))
    assert one.progress.step == other.progress.step == 4
    for kind in ("weights", "mean"):
        for a, b in zip(getattr(one, kind), getattr(other, kind), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-3)


def test_what_a_run_leaves(uncut):
    entries = [json.loads(line) for line in (uncut / "log.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in entries] == [1, 2]
    assert {"loss", "validation_loss", "validation_loss_seed_scale", "constant", "hours", "lead"} <= set(entries[0])
    assert (uncut / "training.png").read_bytes().startswith(b"\x89PNG")
    assert list((uncut / "events").iterdir())
    assert UnetConfig.from_json((uncut / "config.json").read_text()) == TINY
    progress = Checkpoint.load(uncut / "checkpoint.npz").progress
    assert progress.best == min(entry["validation_loss"] for entry in entries)
    assert set(progress.baselines) == {"constant", "no noise"}


def test_the_exported_graph_is_the_net_with_its_scales(small, uncut, tmp_path, noise):
    file = tmp_path / "tiny.onnx"
    assert export_command.main([str(uncut / "checkpoint.npz"), "--model", "unet8k", "--out", str(file)]) == 0
    model = Model.load(file)
    assert model.transform == CONTEXT_TRANSFORM
    stored = Checkpoint.load(uncut / "checkpoint.npz")
    net = net_module.build_net()
    net.set_weights([weights.astype(np.float16).astype(np.float32) for weights in stored.best])
    scale = stored.config.scale
    magnitudes = np.abs(noise(128 * 128)).reshape(1, 128, 128) * np.geomspace(1e-4, 50, 128, dtype=np.float32)
    picture = (decibels(magnitudes, scale) - scale.centre) / scale.spread
    attenuation = np.asarray(net(picture[..., None]))[..., 0] * scale.out_spread + scale.out_centre
    gains = onnxruntime.InferenceSession(str(file)).run(None, {"magnitudes": magnitudes})[0]
    assert np.abs(gains - 10 ** (-np.maximum(attenuation, 0) / 20)).max() < 1e-4


def test_the_best_weights_are_also_there_alone(uncut):
    whole, loaded = Checkpoint.load(uncut / "checkpoint.npz"), Checkpoint.load(uncut / "best.npz")
    assert (uncut / "best.npz").stat().st_size < (uncut / "checkpoint.npz").stat().st_size / 3
    assert not loaded.weights
    assert not loaded.optimizer
    for a, b in zip(loaded.best, whole.best, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)


def test_lengths_are_one_of_three(data, tmp_path):
    for lengths, said in [
        ({}, "one of epochs, steps, minutes; given: none"),
        ({"steps": 3, "epochs": 1}, "given: {'epochs': 1, 'steps': 3}"),
        ({"minutes": -1.0}, r"minutes is -1.0; it must be above 0"),
    ]:
        with pytest.raises(TrainingError, match=said):
            trainer.train(TINY, data, tmp_path, **lengths)


def test_a_checkpoint_in_the_way_or_of_another_recipe_is_refused(data, uncut):
    with pytest.raises(TrainingError, match="is there already: go on from it with --resume, or choose another --out"):
        trainer.train(TINY, data, uncut, steps=9)
    with pytest.raises(TrainingError, match="was trained with recipe improved, and this is seed; start a new run"):
        trainer.train(SEED, data, uncut, steps=9, resume=uncut / "checkpoint.npz")


def test_a_folder_that_cannot_be_written_into(small, data, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(TrainingError, match=r"cannot write into .*out: File exists"):
        trainer.train(TINY, data, tmp_path / "out", steps=1, cache=tmp_path / "cache")


def test_a_loss_that_is_no_number_ends_the_run(small, data, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "examples", lambda *_: (np.full((2, 128, 128, 1), np.nan), np.zeros((2, 128, 128, 4))))
    monkeypatch.setattr(trainer.Validation, "baselines", lambda self: {"constant": 0.0, "no noise": 0.0})
    with pytest.raises(TrainingError, match="the loss is nan at step 1; nothing was saved yet"):
        trainer.train(TINY, data, tmp_path, steps=2)


def test_a_run_is_saved_within_an_epoch_too(small, data, tmp_path, monkeypatch):
    step = trainer.Run.step

    def bad_in_its_third(self, *batch):
        return float("nan") if self.progress.step == 2 else step(self, *batch)

    monkeypatch.setattr(trainer.Run, "step", bad_in_its_third)
    long = dataclasses.replace(TINY, epoch_frames=100)
    with pytest.raises(TrainingError, match=r"the loss is nan at step 2; the last good weights are in .*checkpoint"):
        trainer.train(long, data, tmp_path, steps=4, save_every_seconds=0)
    assert Checkpoint.load(tmp_path / "checkpoint.npz").progress.step == 2
    with pytest.raises(TrainingError, match=r"the last good weights are in .*checkpoint"):
        trainer.train(long, data, tmp_path / "b", steps=4, resume=tmp_path / "checkpoint.npz")


def test_a_run_that_has_its_length_says_so(small, data, uncut):
    said = r"has 1\.00 of the length that is given; give more, or --resume .*best\.npz begins a new run"
    with pytest.raises(TrainingError, match=said):
        trainer.train(TINY, data, uncut, epochs=2, resume=uncut / "checkpoint.npz")


def test_from_the_best_weights_alone_a_new_run_begins(small, data, uncut, tmp_path):
    begun = trainer.train(TINY, data, tmp_path, epochs=1, resume=uncut / "best.npz")
    assert begun.progress.step == 2
    whole = Checkpoint.load(uncut / "checkpoint.npz")
    # Judged anew: the bar is what those weights reach here, as float16 has them.
    assert begun.progress.best <= whole.progress.best * 1.01


def test_epochs_are_counted_in_examples(small, data, uncut, tmp_path):
    shutil.copytree(uncut, tmp_path / "run")
    other = dataclasses.replace(TINY, batch=4)
    done = trainer.train(other, data, tmp_path / "run", epochs=4, resume=tmp_path / "run" / "checkpoint.npz")
    assert (done.progress.epochs, done.progress.frames, done.progress.step) == (4, 16, 6)


def test_a_full_disk_within_a_run_does_not_end_it(small, data, tmp_path, monkeypatch, capsys):
    save, calls = Checkpoint.save, []

    def full_at_first(*arguments, **how):
        calls.append(1)
        if len(calls) == 1:
            raise TrainingError("cannot save it: No space left on device")
        save(*arguments, **how)

    monkeypatch.setattr(Checkpoint, "save", full_at_first)
    assert trainer.train(TINY, data, tmp_path, steps=3).progress.step == 3
    assert "No space left on device; the run goes on" in capsys.readouterr().out
    assert Checkpoint.load(tmp_path / "checkpoint.npz").progress.step == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"batsh": 3}', "has no batsh; did you mean batch?"),
        ('{"batch": 0}', "batch is 0; it must be 1 or more"),
        ('{"epoch_frames": -1}', "epoch_frames is -1; it must be 0 or more"),
        ('{"learning_rate": 0}', "learning_rate is 0.0; it must be above 0"),
        ('{"validation_share": 1.5}', "validation_share is 1.5; it must be between 0 and 1"),
        ('{"recipe": "sead"}', "recipe is 'sead'; it must be improved or seed"),
        ('{"scale": {"reference": "peak"}}', "scale.reference is 'peak'; it must be fixed or maximum"),
        ('{"precision": "int8"}', "precision is 'int8'; it must be one of float32"),
    ],
)
def test_configurations_that_are_none_are_refused_by_name(text, said):
    with pytest.raises(TrainingError, match=said):
        UnetConfig.from_json(text)


def test_the_command_says_what_is_wrong_in_one_line(tmp_path, data, capsys):
    common = ["--model", "unet8k", "--data", str(data), "--out", str(tmp_path / "out")]
    for arguments, said in [
        (["--config", str(tmp_path / "absent.json")], "absent.json cannot be read"),
        (["--epochs", "0"], "epochs is 0; it must be above 0"),
        (["--batch", "0"], "batch is 0"),
        (["--resume", str(tmp_path / "absent.npz")], "No such file"),
        (["--resume", str(tmp_path / "absent.npz"), "--recipe", "seed"], "bring a recipe of their own"),
        (["--seed", "-1"], "seed is -1"),
    ]:
        assert command.main([*common, *arguments]) == 1
        out, err = capsys.readouterr()
        assert err.startswith("error: ")
        assert said in err
        assert err.count("\n") == 1
        assert "Traceback" not in out + err


def test_what_is_no_checkpoint_is_refused(uncut, tmp_path, capsys):
    (tmp_path / "x.npz").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match=r"x\.npz is not a checkpoint of unet8k: it is no .npz file"):
        Checkpoint.load(tmp_path / "x.npz")
    assert export_command.main([str(tmp_path / "x.npz"), "--model", "unet8k"]) == 1
    assert "is not a checkpoint of unet8k" in capsys.readouterr().err
    assert export_command.main([str(uncut / "checkpoint.npz"), "--model", "stream"]) == 1
    said = capsys.readouterr().err
    assert "is not a checkpoint of stream: it is of another model or version (the configuration has no recipe" in said
    with pytest.raises(TrainingError, match=r"another model or version \(it holds no weight\)"):
        load_weights(uncut / "best.npz", "weight")


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(uncut, tmp_path, monkeypatch):
    stored = Checkpoint.load(uncut / "checkpoint.npz")
    target = tmp_path / "checkpoint.npz"
    target.write_bytes(b"the last one")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(TrainingError, match="No space left on device; the one saved before is untouched"):
        stored.save(target)
    assert target.read_bytes() == b"the last one"
    assert list(tmp_path.iterdir()) == [target]


def test_what_is_no_number_is_not_saved(uncut, tmp_path):
    stored = Checkpoint.load(uncut / "checkpoint.npz")
    stored.optimizer[3][...] = np.nan
    with pytest.raises(TrainingError, match="is not written: there are arrays in this run that are no numbers"):
        stored.save(tmp_path / "checkpoint.npz")
    assert not list(tmp_path.iterdir())
