"""Hazard: a folder, file or option that cannot be used is met without a word, or with a traceback."""

from __future__ import annotations

import csv
import os
import re
import subprocess
from pathlib import Path

import pytest
from batch_folders import batch, contents, save
from command_line import COMMAND, refused, run

from rtdenoise import AudioFileError, ModelError, ParameterError
from rtdenoise.batch.report import check_report


def test_folders_that_cannot_be(tmp_path, identity):
    save(tmp_path / "in" / "a.wav")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "in")

    def at(place):
        return place.replace("file://", f"file://{tmp_path}/") if place.startswith("file://") else str(tmp_path / place)

    for source, target, kind, message in (
        ("none", "out", AudioFileError, "there is no such folder"),
        ("file://none", "out", AudioFileError, "none: there is no such folder"),
        ("in/a.wav", "out", ParameterError, r"is a file; for one file: rtdenoise --input .*a.wav --output FILE"),
        ("in", "file", ParameterError, "is a file; results go into a folder"),
        ("empty", "out", AudioFileError, "empty has no recordings, no files at all; recordings end in .wav"),
        ("texts", "out", AudioFileError, "texts has no recordings, 1 other files"),
        ("in", "in", ParameterError, "are the same folder"),
        ("in", "link", ParameterError, "are the same folder"),
        ("in", ".", ParameterError, "lies inside OUT_DIR .*; give the results a folder beside it, or below it"),
        ("in", "in/a.wav/out", AudioFileError, "could not be written"),
    ):
        with pytest.raises(kind, match=message):
            batch(at(source), at(target), identity)
    for source, target, name in (("", "out", "IN_DIR"), ("in", "", "OUT_DIR"), ("in", "file://", "OUT_DIR")):
        with pytest.raises(ParameterError, match=f"{name} is '.*', which names nothing; take a folder"):
            batch(source and at(source), at(target) if target == "out" else target, identity)
    with pytest.raises(ParameterError, match="OUT_DIR memory://m is the memory of processes that end"):
        batch(at("in"), "memory://m", identity)
    with pytest.raises(AudioFileError, match="no recordings that --include and --exclude leave, 1 other files"):
        batch(tmp_path / "in", tmp_path / "out", identity, include=("b*",))
    assert not (tmp_path / "out").exists()
    if os.path.isdir("/proc/self"):
        with pytest.raises(AudioFileError, match=r"could not be written|cannot be written"):
            batch(tmp_path / "in", "/proc/self", identity)


def test_options_that_cannot_be(tmp_path, identity):
    save(tmp_path / "in" / "a.wav")
    (tmp_path / "mine.csv").write_text("name,age\n")
    for options, message in (
        ({"engine": "dask"}, "--engine dask needs --scheduler ADDRESS, such as"),
        ({"engine": "dask", "scheduler": "tcp://127.0.0.1:1", "jobs": 2}, "--jobs is for processes"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "--scheduler goes with --engine dask"),
        ({"report": "a.txt"}, "--report a.txt: .* ends in .csv"),
        ({"report": "none/a.csv"}, "--report none/a.csv: there is no folder none; make it first"),
        ({"overlap": 0.5}, "has none; leave it out"),
    ):
        with pytest.raises(ParameterError, match=message):
            batch(tmp_path / "in", tmp_path / "out", identity, **options)
    with pytest.raises(AudioFileError, match=r"mine.csv exists and is no such report; it was left as it is"):
        check_report(tmp_path / "mine.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(AudioFileError, match=r"folder.csv cannot be read: Is a directory"):
        check_report(tmp_path / "folder.csv")
    if os.path.isdir("/proc/self"):
        with pytest.raises(AudioFileError, match=r"/proc/r.csv could not be written .*choose a folder"):
            check_report(Path("/proc/r.csv"))
    with pytest.raises(ModelError, match="there is no model 'strem'"):
        batch(tmp_path / "in", tmp_path / "out", "strem")
    assert not (tmp_path / "out").exists()


def test_refusals_are_one_line_from_outside(tmp_path):
    refused(run("batch", tmp_path / "none", tmp_path / "out"), 1, "there is no such folder")
    refused(run("batch", tmp_path, tmp_path / "out", "--jobs", "0"), 2, "--jobs", "1<=x<=1024")
    refused(run("batch", tmp_path), 2, "OUT_DIR")


def test_bad_files_are_told_at_the_end_and_the_rest_is_done(tmp_path, identity):
    folder, out = tmp_path / "in", tmp_path / "out"
    save(folder / "good.wav")
    save(folder / "linked.wav")
    (folder / "sub").mkdir()
    (folder / "empty.wav").write_bytes(b"")
    (folder / "sub" / "text.flac").write_text("no sound at all")
    (folder / "cut.wav").write_bytes((folder / "good.wav").read_bytes()[:30])
    (folder / "=1+1.mp3").write_bytes(bytes(1000))
    (folder / "slow.wav").write_bytes(save(tmp_path / "x.wav", 0.1, rate=1000).read_bytes())
    (folder / "outside.wav").symlink_to(tmp_path / "x.wav")
    (folder / "gone.wav").symlink_to(tmp_path / "nothing.wav")
    (folder / "again").symlink_to(folder)
    (folder / "inside.wav").symlink_to(folder / "linked.wav")
    os.mkfifo(folder / "pipe.wav")
    good = {"good.wav", "linked.wav", "inside.wav"}
    for jobs in (2, 1):
        with pytest.raises(AudioFileError, match="5 files could not be done, all others are; the same command"):
            batch(folder, out, identity, report=str(tmp_path / "report.csv"), jobs=jobs)
        with open(tmp_path / "report.csv", newline="") as file:
            rows = {row["file"]: row for row in csv.DictReader(file)}
        assert {name for name, row in rows.items() if row["state"] == "done"} == {
            "good.wav",
            "linked.wav",
            "inside.wav",
        }
        reasons = {"empty.wav": "0 bytes", "sub/text.flac": "is no audio file", "cut.wav": "is", "slow.wav": "1000 Hz"}
        for name, reason in reasons.items():
            assert rows[name]["state"] == "failed"
            assert reason in rows[name]["reason"], rows[name]
        assert set(contents(out)) == good
    heard = batch(folder, tmp_path / "out2", identity, include=("good.wav",), dry_run=True)
    assert "not followed: again, gone.wav, outside.wav" in heard.text


def test_a_great_many_bad_files_do_not_fill_the_screen(tmp_path, identity):
    for number in range(30):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{number}.wav").write_bytes(b"")
    outcome = run("batch", tmp_path / "in", tmp_path / "out", "--model", identity.path)
    assert outcome.code == 1
    assert outcome.err.count("not done: ") == 20
    assert re.search(r"and 10 more, see --report FILE.csv\n", outcome.err)


@pytest.mark.skipif(os.name == "nt", reason="rights are another thing there")
def test_what_may_not_be_read_is_told(tmp_path, identity):
    save(tmp_path / "in" / "a.wav")
    save(tmp_path / "in" / "b.wav").chmod(0)
    save(tmp_path / "in" / "closed" / "c.wav").parent.chmod(0)
    like_anybody = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*like_anybody, *COMMAND, "batch", tmp_path / "in", tmp_path / "out", "--model", identity.path]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "2 files could not be done" in done.stderr
    assert list(contents(tmp_path / "out")) == ["a.wav"]
    command = [*like_anybody, *COMMAND, "batch", tmp_path / "in" / "closed", tmp_path / "none"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert re.fullmatch(r"rtdenoise: IN_DIR .*closed cannot be looked into: Permission denied; check .*\n", done.stderr)
    assert not (tmp_path / "none").exists()


def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path, identity, monkeypatch):
    save(tmp_path / "in" / "a.wav")
    monkeypatch.setattr(os, "scandir", lambda path: raise_error(PermissionError(13, "Permission denied")))
    with pytest.raises(AudioFileError, match=r"IN_DIR .*in cannot be looked into: Permission denied; check the path"):
        batch(tmp_path / "in", tmp_path / "out", identity)
    assert not (tmp_path / "out").exists()


def raise_error(error):
    raise error


def test_a_name_that_is_no_text_is_told_and_one_that_is_odd_is_done(tmp_path, identity):
    name = os.fsencode(save(tmp_path / "in" / "a.wav"))
    os.rename(name, name.replace(b"a.wav", b"\xff\n.wav"))
    save(tmp_path / "in" / "\n, 'ü' \u2028.wav")
    report = tmp_path / "r.csv"
    for text in ("1 file done", "1 file done before"):
        with pytest.raises(AudioFileError, match="1 file could not be done"):
            batch(tmp_path / "in", tmp_path / "out", identity, report=str(report))
        with open(report, encoding="utf-8", newline="") as file:
            rows = {row["file"]: row["state"] for row in csv.DictReader(file)}
        assert rows == {"\n, 'ü' \u2028.wav": "done", "\\udcff\n.wav": "failed"}, text
    assert list(contents(tmp_path / "out")) == ["\n, 'ü' \u2028.wav"]


def test_results_are_not_written_through_links(tmp_path, identity):
    save(tmp_path / "in" / "sub" / "b.wav")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AudioFileError, match="1 file could not be done"):
        batch(tmp_path / "in", tmp_path / "out", identity, force=True)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_results_of_other_runs_are_no_recordings(tmp_path, identity):
    save(tmp_path / "in" / "a.wav")
    save(tmp_path / "in" / "sub" / "B.WAV", format="WAV")
    batch(tmp_path / "in", tmp_path / "in" / "sub" / "clean", identity)
    heard = batch(tmp_path / "in", tmp_path / "out", identity, include=("*.wav",))
    assert "folders left out, for they hold results of other runs: sub/clean" in heard.text
    assert set(contents(tmp_path / "out")) == {"a.wav", "sub/B.WAV"}
    assert "2 files done" in batch(tmp_path / "in" / "sub" / "clean", tmp_path / "twice", identity).text  # if meant
