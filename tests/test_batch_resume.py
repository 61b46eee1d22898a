"""Hazard: after a kill something is missing, half-made, done once more, or not what an uncut run would have made."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from batch_folders import batch, contents, finished, save, save_many, wait_for, workers_of
from command_line import start

from rtdenoise import AudioFileError, ParameterError
from rtdenoise.batch.log import NAME

pytestmark = pytest.mark.alone

COUNT = 12


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    return save_many(tmp_path_factory.mktemp("recordings"), COUNT, seconds=8)


@pytest.fixture(scope="module")
def uncut(recordings, leaky, tmp_path_factory):
    """What a run makes that nobody disturbs."""
    folder = tmp_path_factory.mktemp("uncut")
    batch(recordings, folder, leaky)
    made = contents(folder)
    assert len(made) == COUNT
    return made


class Watch:
    """Looks at final names all the time: what is there has to be whole."""

    def __init__(self, folder, whole):
        self.folder, self.whole, self.wrong, self.looks = folder, whole, set(), 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self):
        while not self._end.wait(0.01):
            for name, content in self.whole.items():
                path = self.folder / name
                if path.exists():
                    self.looks += 1
                    if path.read_bytes() != content:
                        self.wrong.add(name)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


def test_a_run_that_is_killed_goes_on_and_ends_as_an_uncut_one(recordings, leaky, uncut, tmp_path):
    out = tmp_path / "out"
    with Watch(out, uncut) as watch:
        for done in (2, 5):
            running = start("batch", recordings, out, "--model", leaky.path, "--jobs", "2")
            wait_for(out, done, running)
            workers = workers_of(running.pid)
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
            assert len(workers) == 2
            for worker in workers:  # nobody is left who goes on writing
                worker.wait(10)
        before = {name: (out / name).stat() for name in finished(out)}
        assert 5 <= len(before) < COUNT
        heard = batch(recordings, out, leaky)
    assert watch.looks
    assert not watch.wrong
    assert contents(out) == uncut
    assert f"; {len(before)} files done before" in heard.text
    for name, about in before.items():
        assert (out / name).stat().st_mtime_ns == about.st_mtime_ns, "done twice"
        assert (out / name).stat().st_ino == about.st_ino


def test_workers_that_are_killed_cost_nothing_but_time(recordings, leaky, uncut, tmp_path):
    out = tmp_path / "out"
    with Watch(out, uncut) as watch:
        running = start("batch", recordings, out, "--model", leaky.path, "--jobs", "2")
        for done in (1, 4):
            wait_for(out, done, running)
            workers_of(running.pid)[0].kill()
        text = running.communicate(timeout=60)[1].decode()
    assert running.returncode == 0, text
    assert f"{COUNT} files done" in text
    assert not watch.wrong
    assert contents(out) == uncut


def test_what_a_killed_run_left_half_made_is_removed_and_nothing_else(recordings, leaky, uncut, tmp_path):
    out = tmp_path / "out"
    running = start("batch", recordings, out, "--model", leaky.path, "--jobs", "1")
    wait_for(out, 1, running)
    (worker,) = workers_of(running.pid)
    while not list(out.rglob("*.part")):
        time.sleep(0.001)
    for process in (worker.pid, running.pid):
        os.kill(process, signal.SIGKILL)
    running.wait()
    assert len(list(out.rglob("*.part"))) == 1
    stranger = out / ".mine.0123abcd.part"
    stranger.write_text("not ours")
    batch(recordings, out, leaky)
    assert contents(out) == uncut | {stranger.name: b"not ours"}


def test_what_was_finished_but_not_written_down_is_ours(identity, tmp_path):
    """A kill between the last rename and the line in the journal; and one in the middle of a line."""
    save(tmp_path / "in" / "a.wav")
    save(tmp_path / "in" / "b.wav")
    out = tmp_path / "out"
    batch(tmp_path / "in", out, identity)
    made, lines = contents(out), (out / NAME).read_bytes().splitlines(keepends=True)
    for kept in (lines[:2], [*lines[:3], lines[3][:20]]):
        (out / NAME).write_bytes(b"".join(kept))
        assert f"{4 - len(kept) if len(kept) == 2 else 1} file" in batch(tmp_path / "in", out, identity).text
        assert contents(out) == made
        assert "0 files done" in batch(tmp_path / "in", out, identity).text


def test_what_changed_is_done_anew_and_nothing_else(identity, tmp_path):
    for name in "abc":
        save(tmp_path / "in" / f"{name}.wav")
    out = tmp_path / "out"
    batch(tmp_path / "in", out, identity)
    save(tmp_path / "in" / "a.wav", seconds=0.6)
    (out / "b.wav").write_bytes(b"cut short")
    untouched = (out / "c.wav").stat().st_mtime_ns
    assert "2 files done, 1.1 s of sound" in batch(tmp_path / "in", out, identity).text
    assert (out / "c.wav").stat().st_mtime_ns == untouched
    assert len((out / "a.wav").read_bytes()) > len((out / "c.wav").read_bytes()) == len((out / "b.wav").read_bytes())


def test_other_options_or_another_folder_are_refused(identity, leaky, tmp_path):
    first, other, out = tmp_path / "in", tmp_path / "other", tmp_path / "out"
    save(first / "a.wav")
    batch(first, out, identity)
    made = contents(out)
    with pytest.raises(ParameterError, match=r"begun with --attenuation-limit not given, and .*limit 6.0: .*--force"):
        batch(first, out, identity, attenuation_limit=6.0)
    with pytest.raises(ParameterError, match="begun with --model "):
        batch(first, out, leaky)
    save(other / "a.wav", seconds=0.7)
    with pytest.raises(ParameterError, match=r"holds results of .*in, 1 of them of the same names as in .*other"):
        batch(other, out, identity)
    assert contents(out) == made
    batch(other, out, identity, force=True)
    assert contents(out) != made
    first.rename(tmp_path / "moved")
    batch(tmp_path / "moved", out, identity, force=True)
    (tmp_path / "moved").rename(first)
    assert "1 file done before" in batch(first, out, identity).text, "a folder that was only moved"
    for text in ("not ours\n", '{"run": {"format": 2}}\n', "[]\n"):
        (out / NAME).write_text(text)
        with pytest.raises(AudioFileError, match=r"a journal that cannot be read, .rtdenoise-batch.jsonl; .*--force"):
            batch(first, out, identity)


def test_files_that_were_there_before_stay_unless_forced_then_and_later(identity, tmp_path):
    for name in "ab":
        save(tmp_path / "in" / f"{name}.wav")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.wav").write_bytes(b"somebody's")
    (out / "b.wav").symlink_to(tmp_path / "elsewhere.wav")
    with pytest.raises(AudioFileError, match="2 files could not be done"):
        batch(tmp_path / "in", out, identity)
    assert (out / "a.wav").read_bytes() == b"somebody's"
    with pytest.raises(AudioFileError, match="1 file could not be done"):
        batch(tmp_path / "in", out, identity, force=True)
    assert not (tmp_path / "elsewhere.wav").exists(), "written through a link"
    assert (out / "a.wav").read_bytes() != b"somebody's"
    (out / "b.wav").unlink()
    (out / "b.wav").write_bytes(b"of before")  # what a forced run that was killed had not come to
    assert "1 file done" in batch(tmp_path / "in", out, identity).text
