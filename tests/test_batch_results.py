"""Hazard: what comes out of a folder is not what comes out file by file."""

from __future__ import annotations

import csv

import pytest
from batch_folders import batch, contents, save
from command_line import run

from rtdenoise import ModelError
from rtdenoise.batch.work import Task, Wishes, denoise_file, digest_of, load_model

FILES = {
    "a.wav": {},
    "deep/er/24 bits.wav": {"subtype": "PCM_24", "channels": 2},
    "float.WAV": {"subtype": "FLOAT"},
    "float.aiff": {"subtype": "FLOAT"},
    "deep/b.flac": {"rate": 44100},
    "ü.ogg": {"rate": 16000},
    "c.opus": {"rate": 16000, "format": "OGG", "subtype": "OPUS"},
    "d.mp3": {"rate": 16000},
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for name, options in FILES.items():
        save(folder / name, **options)
    (folder / "deep" / "notes.txt").write_text("no sound")
    (folder / "deep" / "._a.wav").write_text("what macOS leaves behind")
    return folder


def test_every_file_is_to_the_byte_what_the_command_for_one_file_makes(recordings, tmp_path, capfd):
    done = run("batch", recordings, tmp_path / "out", "--attenuation-limit", "12", "--report", tmp_path / "out.csv")
    assert done.code == 0, done.err
    assert "8 files in " in done.err
    assert "8 files done, 4.0 s of sound in " in done.err
    assert "no recordings or not wanted: 2\n" in done.err
    made = contents(tmp_path / "out")
    assert set(made) == set(FILES)
    from rtdenoise.cli import _run
    from rtdenoise.commands.reporter import Reporter

    for name in FILES:
        single = tmp_path / f"single{(recordings / name).suffix}"
        options = ["--input", str(recordings / name), "--output", str(single), "--attenuation-limit", "12"]
        assert _run([*options, "--config", ""], Reporter(-1)) == 0
        assert made[name] == single.read_bytes(), name
        single.unlink()
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert list(rows) == sorted(FILES)
    assert {row["state"] for row in rows.values()} == {"done"}
    assert {row["seconds"] for row in rows.values()} == {"0.5"}
    assert rows["deep/er/24 bits.wav"]["channels"] == "2"
    for row in (rows["a.wav"], rows["float.aiff"], rows["deep/b.flac"]):
        assert float(row["peak before (dBFS)"]) == pytest.approx(-6, abs=0.5)
        assert float(row["active level before (dBFS)"]) == pytest.approx(-10.8, abs=0.5)
        assert 3 < float(row["reduction (dB)"]) < 13


def test_patterns_choose_and_a_dry_run_only_says(recordings, tmp_path, capsys):
    heard = batch(
        recordings, tmp_path / "out", include=("*.wav", "deep/*"), exclude=("24*", "*.txt"), dry_run=True, jobs=None
    )
    assert capsys.readouterr().out.split() == ["a.wav", "deep/b.flac", "float.WAV"]
    assert "3 files to do" in heard.text
    assert "nothing was done" in heard.text
    assert not (tmp_path / "out").exists()


def test_results_may_lie_below_the_recordings(identity, tmp_path):
    save(tmp_path / "a.wav")
    for files in ("1 file done", "0 files done, 0.0 s of sound in 0.0 s; 1 file done before"):
        assert files in batch(tmp_path, tmp_path / "clean", identity).text
    assert set(contents(tmp_path / "clean")) == {"a.wav"}
    assert not list((tmp_path / "clean").glob("clean"))


def test_a_machine_with_another_model_denoises_nothing(recordings, tmp_path, identity, leaky):
    wishes = Wishes(str(recordings), str(tmp_path), str(identity.path), digest_of(leaky), None, None)
    with pytest.raises(ModelError, match=r"is another one where the files are denoised .*; install the same"):
        load_model(wishes.model, wishes.digest)
    outcome = denoise_file(Task("a.wav", 1, ""), wishes)
    assert outcome.is_final
    assert "another one" in outcome.fault
    assert not list(tmp_path.iterdir())


def test_a_dry_run_leaves_no_trace_where_something_is(recordings, identity, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    batch(recordings, out, identity, dry_run=True)
    assert not list(out.iterdir())
    batch(recordings, out, identity, include=("a.wav",))
    (out / ".a.0123abcd.part").write_text("of a run that was killed")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert "7 files to do" in batch(recordings, out, identity, dry_run=True).text
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    batch(recordings, out, identity, include=("a.wav",), force=True)
    assert set(contents(out)) == {"a.wav"}
