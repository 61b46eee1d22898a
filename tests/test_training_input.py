"""Hazard: recordings, files and configurations that cannot be trained with, and a run that does not say so."""

from __future__ import annotations

import contextlib
import json
import sys

import numpy as np
import pytest
import soundfile
from training_data import make_data, speech_like

from train import __main__ as command
from train import pack
from train.config import TrainConfig
from train.data import load_corpus
from train.errors import DataError, TrainingError
from train.material import held_out, load_material, load_pairs, load_rooms


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"), with_valid=True)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"batsh": 3}', "has no batsh; did you mean batch?"),
        ('{"net": {"kernal": 3}}', r"has no net.kernal; did you mean net.kernel\?"),
        ('{"xyzzy": 3}', "has no xyzzy; it has adversarial, batch"),
        ('{"net": 3}', "net must be a table"),
        ('{"batch": "8"}', "batch is '8'; it must be of one kind with 6"),
        ('{"batch": 0}', "batch is 0; it must be 1 or more"),
        ('{"mixers": 0}', "mixers is 0"),
        ('{"optimizer": "sgd"}', "optimizer is 'sgd'; it must be muon or adamw"),
        ('{"mixing": "gpu"}', "mixing is 'gpu'; it must be auto, host or device"),
        ('{"learning_rate": -1}', "learning_rate is -1.0; it must be above 0"),
        ('{"mix": {"crop_seconds": 0.1}}', "mix.crop_seconds is 0.1"),
        ('{"mix": {"snr_db": [1]}}', r"mix.snr_db is \(1.0,\); it must be a lowest and a highest value"),
        ('{"mix": {"speech_weights": {"a": "b"}}}', "mix.speech_weights.a is 'b'"),
        ('{"net": {"channels": []}}', r"net.channels is \[\]"),
        ('{"net": {"channels": ["a"]}}', "net.channels is 'a'"),
        ('{"learning_rate": 1e999}', "learning_rate is inf"),
        ('{"seed": -1}', "seed is -1; it must be from 0 to 4294967295"),
        ("{", "is no JSON"),
        ("[]", "must be a table"),
    ],
)
def test_configurations_that_are_none_are_refused_by_name(text, said):
    with pytest.raises(TrainingError, match=said):
        TrainConfig.from_json(text)


def test_an_older_configuration_keeps_the_defaults_of_what_it_lacks():
    parts = json.loads(TrainConfig(batch=3).to_json())
    for newer in ("adversarial", "mixing", "device_rooms"):
        del parts[newer]
    assert TrainConfig.from_json(json.dumps(parts)) == TrainConfig(batch=3)


def run(*arguments):
    return command.main([str(a) for a in arguments])


def test_the_command_says_what_is_wrong_in_one_line(tmp_path, data, capsys):
    pytest.importorskip("train.trainer", reason="training needs the extra [train]")
    (tmp_path / "bad.json").write_text('{"batsh": 3}')
    (tmp_path / "latin.json").write_bytes(b"\xe9\xff")
    (tmp_path / "old.npz").write_bytes(b"old")
    (tmp_path / "empty").mkdir()
    common = ("--out", tmp_path / "out", "--steps", 1)
    for arguments, said in [
        (("--data", tmp_path / "empty", *common), "no audio here"),
        (("--data", tmp_path / "absent", *common), "no such folder"),
        (("--data", data, *common, "--config", tmp_path / "bad.json"), "did you mean batch"),
        (("--data", data, *common, "--config", tmp_path / "absent.json"), "cannot be read"),
        (("--data", data, *common, "--config", tmp_path / "latin.json"), "cannot be read"),
        (("--data", data, *common, "--batch", 0), "batch is 0"),
        (("--data", data, *common, "--new-cycle"), "name them with --resume"),
        (("--data", data, *common, "--resume", tmp_path / "old.npz"), "not a checkpoint"),
        (("--data", data, "--out", tmp_path / "out", "--minutes", 0), "above 0"),
        (("--data", tmp_path / "old.npz", *common), "no file of packed audio"),
    ]:
        assert run(*arguments) == 1
        out, err = capsys.readouterr()
        assert err.startswith("error: ")
        assert said in err
        assert err.count("\n") == 1
        assert "Traceback" not in out + err


def test_other_rates_are_converted_aloud_and_no_noise_is_refused(data, tmp_path, capsys):
    load_corpus(data / "noise", tmp_path)
    assert "converted from 22050 to 16000 Hz: 2 files" in capsys.readouterr().err
    folder = tmp_path / "silent"
    (folder / "clean").mkdir(parents=True)
    soundfile.write(folder / "clean" / "a.wav", speech_like(np.random.default_rng(0), 2), 16000)
    with pytest.raises(DataError, match=r"noise: no audio here"):
        load_material(folder, tmp_path)
    (folder / "noise").mkdir()
    soundfile.write(folder / "noise" / "a.wav", np.zeros(32000), 16000)
    with pytest.raises(DataError, match="none of its 1 files can be used"):
        load_material(folder, tmp_path)


def test_recordings_that_are_none_are_left_out_and_named(tmp_path, capsys):
    rng = np.random.default_rng(0)
    good, holes = speech_like(rng, 2), speech_like(rng, 2)
    holes[100] = np.nan
    for name, samples in (("good", good), ("holes", holes), ("silent", 0 * good), ("short", good[:1000])):
        soundfile.write(tmp_path / f"{name}.wav", samples, 16000, subtype="FLOAT")
    (tmp_path / "broken.wav").write_bytes(b"none")
    assert load_corpus(tmp_path, tmp_path / "cache").names == ["good.wav"]
    said = capsys.readouterr().err
    for name in ("holes", "silent", "short", "broken"):
        assert f"{name}.wav" in said


def test_a_cache_that_cannot_be_written_is_said(data, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot keep the decoded audio .* --cache names another place"):
        load_corpus(data / "noise", tmp_path / "file" / "cache")


def test_rooms_that_are_none_are_left_out_and_named(data, tmp_path, capsys):
    (tmp_path / "broken.wav").write_bytes(b"none")
    soundfile.write(tmp_path / "silent.wav", np.zeros(1000), 16000)
    assert load_rooms(tmp_path) == []
    said = capsys.readouterr().err
    assert "broken.wav" in said
    assert "silent.wav" in said
    (room,) = load_rooms(data / "rir")
    assert room[0] == 1.0


def test_rooms_with_holes_and_links_to_nothing_are_left_out(data, tmp_path, capsys):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    soundfile.write(tmp_path / "holes.wav", np.full(1000, np.nan), 16000, subtype="FLOAT")
    with contextlib.suppress(OSError):  # Windows, without the right to make links
        (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    assert load_rooms(tmp_path) == []
    said = capsys.readouterr().err
    assert "empty.wav is empty" in said
    assert "holes.wav holds values that are no numbers" in said


def test_pairs_that_are_none_are_left_out_and_named(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for kind in ("noisy", "clean"):
        (tmp_path / kind).mkdir()
        soundfile.write(tmp_path / kind / "good.wav", speech_like(rng, 2), 16000)
        soundfile.write(tmp_path / kind / "other_rate.wav", speech_like(rng, 2, 8000), 8000)
        soundfile.write(tmp_path / kind / "short.wav", speech_like(rng, 0.5), 16000)
    soundfile.write(tmp_path / "noisy" / "alone.wav", speech_like(rng, 2), 16000)
    noisy, clean = load_pairs(tmp_path)
    assert noisy.shape == clean.shape
    assert len(noisy) == 2
    said = capsys.readouterr().err
    assert "alone.wav" in said
    assert "short.wav" in said
    for file in (*tmp_path.glob("*/good.wav"), *tmp_path.glob("*/other_rate.wav")):
        file.unlink()
    with pytest.raises(DataError, match="no usable pair"):
        load_pairs(tmp_path)


def corpus_of(names, tmp_path):
    folder = tmp_path / "clean"
    folder.mkdir()
    for i, name in enumerate(names):
        soundfile.write(folder / f"{name}.wav", np.full(16000, 0.01 * (i + 1)), 16000)
    return load_corpus(folder, tmp_path / "cache")


def test_without_pairs_whole_speakers_are_kept_from_training(tmp_path):
    corpus = corpus_of([f"{speaker}-{take}" for speaker in range(101, 109) for take in range(5)], tmp_path)
    training, kept = held_out(corpus)
    assert {n.split("-")[0] for n in training.names}.isdisjoint({n.split("-")[0] for n in kept.names})
    assert len(kept.samples) + len(training.samples) == len(corpus.samples)
    assert len(kept.names) == 5
    assert not set(np.unique(training.samples)) & set(np.unique(kept.samples))
    assert list(np.diff(kept.bounds)) == [16000] * 5


def test_speakers_in_folders_are_kept_whole(tmp_path):
    for speaker in ("anna", "bob", "carl"):
        (tmp_path / "clean" / speaker).mkdir(parents=True)
        for take in range(20):
            soundfile.write(tmp_path / "clean" / speaker / f"{take:03}.wav", np.full(16000, 0.1), 16000)
    training, kept = held_out(load_corpus(tmp_path / "clean", tmp_path / "cache"))
    assert {name.split("/")[0] for name in kept.names} == {"carl"}
    assert len(training.names) == 40


@pytest.mark.parametrize("names", [["one"], ["same-1", "same-2"], ["a-1", "b-1"]])
def test_with_few_recordings_something_is_kept_nevertheless(names, tmp_path):
    training, kept = held_out(corpus_of(names, tmp_path))
    assert training.seconds > 0
    assert kept.seconds > 0
    assert training.seconds + kept.seconds == len(names)


def test_a_packed_file_holds_what_the_folder_holds(data, cache, tmp_path):
    assert pack.main([str(data), "--out", str(tmp_path / "audio.npz"), "--cache", str(cache)]) == 0
    packed, read = load_material(tmp_path / "audio.npz", cache), load_material(data, cache)
    for a, b in ((packed.speech, read.speech), (packed.noise, read.noise)):
        np.testing.assert_array_equal(a.samples, b.samples)
        np.testing.assert_array_equal(a.bounds, b.bounds)
        assert (a.sets, a.names) == (b.sets, b.names)
    np.testing.assert_allclose(packed.rooms[0], read.rooms[0], rtol=1e-6)
    for a, b in zip(packed.pairs, read.pairs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_a_packed_file_can_be_a_part_of_everything(tmp_path, cache):
    data = make_data(tmp_path / "data")
    rng = np.random.default_rng(1)
    soundfile.write(data / "clean" / "long-0.wav", speech_like(rng, 60), 16000)
    pack.pack(data, tmp_path / "audio.npz", cache, max_megabytes=1.2)
    assert (tmp_path / "audio.npz").stat().st_size < 1.2e6
    packed, whole = load_material(tmp_path / "audio.npz", cache), load_corpus(data / "clean", cache)
    assert packed.pairs is None
    assert packed.held_out is not None
    total = packed.speech.seconds + packed.held_out[0].seconds
    assert 0.3 * whole.seconds < total < 0.7 * whole.seconds
    with pytest.raises(DataError, match=r"of 0\.1 minutes are too little to keep; give more megabytes"):
        pack.thinned(load_corpus(data / "noise", cache), 1e-3)
    with pytest.raises(DataError, match=r"0\.1 megabytes hold no audio"):
        pack.pack(data, tmp_path / "audio.npz", cache, max_megabytes=0.1)


def test_a_packed_file_that_cannot_be_written_or_read_is_said(data, cache, tmp_path, capsys):
    assert pack.main([str(data), "--out", str(tmp_path / "no" / "audio.npz"), "--cache", str(cache)]) == 1
    assert "cannot write" in capsys.readouterr().err
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(DataError, match="no file of packed audio"):
        load_material(tmp_path / "other.npz", cache)


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_costs_no_run_its_log(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    import resource

    from train.runlog import RunLog

    log = RunLog(tmp_path, 0)
    log.write({"step": 1, "hours": 0.1, "loss": 2.0})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, hard))
    try:
        log.write({"step": 2, "hours": 0.2, "loss": 1.0})
        log.plot()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    said = capsys.readouterr().err
    assert "cannot write" in said
    assert "the run goes on" in said
    for i in range(30):  # there is room again
        log.write({"step": 3 + i, "hours": 0.3, "loss": 1.0})
    (tmp_path / "log.jsonl").write_text(json.dumps({"step": 3, "hours": 0.3, "loss": 0.5}) + "\n")
    log.plot()
    log.close()
    assert (tmp_path / "training.png").read_bytes().startswith(b"\x89PNG")


def test_event_files_that_cannot_be_made_cost_no_run(tmp_path, capsys):
    pytest.importorskip("tensorboardX")
    from train.runlog import RunLog

    (tmp_path / "events").touch()
    log = RunLog(tmp_path, 0)
    log.write({"step": 1, "hours": 0.1, "loss": 2.0})
    log.close()
    assert "the run goes on without" in capsys.readouterr().err
    assert json.loads((tmp_path / "log.jsonl").read_text())["loss"] == 2.0


def test_parts_of_a_run_are_drawn_that_never_validated(tmp_path):
    pytest.importorskip("matplotlib")
    from train.runlog import draw

    draw([{"step": 1, "hours": 0.1, "loss": None}], tmp_path / "empty.png")
    draw([{"step": i, "hours": 0.1 * i, "loss": 1 / (i + 1)} for i in range(5)], tmp_path / "some.png")
    assert (tmp_path / "some.png").stat().st_size > (tmp_path / "empty.png").stat().st_size > 0
