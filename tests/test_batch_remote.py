"""Hazard: where a folder is no folder of this machine, something is lost, half-made, or done again for nothing."""

from __future__ import annotations

import sys

import pytest
from batch_folders import batch, contents, finished, save, save_many

from rtdenoise import AudioFileError, ParameterError
from rtdenoise.batch import processes, remote
from rtdenoise.batch.folders import LocalFolder, open_folder
from rtdenoise.batch.journal import Journal
from rtdenoise.batch.log import NAME
from rtdenoise.batch.work import Task, Wishes, denoise_file, digest_of
from rtdenoise.errors import MissingPackageError

fsspec = pytest.importorskip("fsspec")
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def dask():
    """A cluster of threads, which see what this process has in memory."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", host="127.0.0.1", protocol="tcp://"
    ) as running:
        yield {"engine": "dask", "scheduler": running.scheduler_address, "jobs": None}


@pytest.fixture
def memory():
    """fsspec's file system in memory, empty."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()


@pytest.fixture
def recordings(tmp_path, memory):
    folder = save_many(tmp_path / "in", 4, seconds=1)
    for path in folder.rglob("*.wav"):
        memory.pipe_file(f"/talks/{path.relative_to(folder)}", path.read_bytes())
    return folder


def in_memory(memory, folder):
    paths = memory.find(folder)
    return {path.removeprefix(folder + "/"): memory.cat_file(path) for path in paths if NAME not in path}


def test_the_same_bytes_as_here_and_nothing_twice(recordings, memory, dask, leaky, tmp_path):
    batch(recordings, tmp_path / "here", leaky)
    heard = batch("memory://talks", "memory://clean/all/", leaky, **dask, report=str(tmp_path / "r.csv"))
    assert "4 files done" in heard.text
    assert in_memory(memory, "/clean/all") == contents(tmp_path / "here")
    assert (tmp_path / "r.csv").read_text().count(",done,") == 4
    assert "0 files done" in batch("memory://talks", "memory://clean/all", leaky, **dask).text
    memory.rm_file("/clean/all/talk0.wav")
    save(recordings / "talk2.wav", 0.5)
    memory.pipe_file("/talks/talk2.wav", (recordings / "talk2.wav").read_bytes())
    memory.pipe_file("/talks/bad.wav", b"no sound")
    with pytest.raises(AudioFileError, match="1 file could not be done"):
        batch("memory://talks", "memory://clean/all", leaky, **dask)
    batch(recordings, tmp_path / "here", leaky)
    assert in_memory(memory, "/clean/all") == contents(tmp_path / "here")
    with pytest.raises(ParameterError, match="begun with --attenuation-limit not given"):
        batch("memory://talks", "memory://clean/all", leaky, **dask, attenuation_limit=3.0)
    memory.rm_file("/talks/bad.wav")
    assert "4 files done" in batch("memory://talks", "memory://clean/all", leaky, **dask, force=True).text


def test_from_here_to_there_and_back(recordings, memory, dask, leaky, tmp_path):
    batch(recordings, "memory://clean", leaky, **dask)
    batch("memory://talks", tmp_path / "out", leaky, **dask)
    assert in_memory(memory, "/clean") == contents(tmp_path / "out")
    assert len(finished(tmp_path / "out")) == 4
    batch(f"file://{recordings}", f"file://{tmp_path}/local", leaky)
    assert contents(tmp_path / "local") == contents(tmp_path / "out")
    assert "4 files done before" in batch(recordings, tmp_path / "local", leaky).text


def test_results_below_the_recordings_and_foreign_files(recordings, memory, dask, leaky):
    memory.pipe_file("/talks/clean/talk0.wav", b"somebody's")
    with pytest.raises(AudioFileError, match="1 file could not be done"):
        batch("memory://talks", "memory://talks/clean", leaky, **dask)
    assert memory.cat_file("/talks/clean/talk0.wav") == b"somebody's"
    assert len(in_memory(memory, "/talks/clean")) == 4
    for target, message in (("memory://talks/", "are the same folder"), ("memory://", "lies inside OUT_DIR")):
        with pytest.raises(ParameterError, match=message):
            batch("memory://talks", target, leaky, **dask)


def test_a_kill_leaves_no_half_made_file_and_what_it_left_is_removed(recordings, memory, dask, leaky, monkeypatch):
    target = open_folder("memory://clean")
    wishes = Wishes("memory://talks", "memory://clean", str(leaky.path), digest_of(leaky), None, None)
    tasks = [Task(name, *about) for name, about in open_folder("memory://talks").listing().files.items()]
    journal = Journal(target.log(), wishes, force=False)
    journal.begin(tasks)
    journal.add(tasks[0], denoise_file(tasks[0], wishes))  # five seconds that are not yet written, and then the kill
    memory.pipe_file("/clean/.talk2.0123abcd.part", b"half")
    monkeypatch.setattr(memory, "mv", lambda *_: 1 / 0)
    outcome = denoise_file(tasks[1], wishes)
    monkeypatch.undo()
    assert "cannot be written (ZeroDivisionError: " in outcome.fault
    assert len(in_memory(memory, "/clean")) == 2
    text = batch("memory://talks", "memory://clean", leaky, **dask).text
    assert "4 files done" in text
    assert not [path for path in memory.find("/clean") if path.endswith(".part")]


def test_where_objects_are_whole_or_not_at_all_nothing_is_renamed(recordings, memory, leaky, monkeypatch):
    monkeypatch.setattr(remote, "_STORES", {"memory"})
    monkeypatch.setattr(memory, "mv", lambda *_: 1 / 0)
    open_folder.cache_clear()
    wishes = Wishes("memory://talks", "memory://clean", str(leaky.path), digest_of(leaky), None, None)
    assert denoise_file(Task("talk0.wav", 1, ""), wishes).fault is None
    assert list(in_memory(memory, "/clean")) == ["talk0.wav"]
    open_folder.cache_clear()


def test_names_that_lead_out_of_the_folder_are_not_followed(memory, dask, leaky, tmp_path):
    good = save(tmp_path / "good.wav").read_bytes()
    for name in ("good.wav", "../up.wav", "a/../../up.wav", "a\\b.wav"):
        memory.store[f"/talks/{name}"] = fsspec.implementations.memory.MemoryFile(memory, f"/talks/{name}", good)
    with pytest.raises(AudioFileError, match="3 files could not be done"):
        batch("memory://talks", tmp_path / "out", leaky, **dask)
    assert set(contents(tmp_path / "out")) == {"good.wav"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.wav", "out"]


def test_places_that_cannot_be_reached(recordings, memory, leaky, tmp_path, monkeypatch):
    with pytest.raises(AudioFileError, match="memory://nothing has no recordings, no files at all"):
        batch("memory://nothing", tmp_path / "out", leaky)
    for url in ("nonsense://here", "s3://bucket/folder"):
        if url.startswith("s3") and fsspec.utils.get_package_version_without_import("s3fs"):
            continue
        with pytest.raises(ParameterError, match=r"cannot be reached: .*; install what fsspec needs for it"):
            batch(url, tmp_path / "out", leaky)
    with pytest.raises(AudioFileError, match=r"ftp://127.0.0.1:9/x cannot be reached \(ConnectionRefusedError"):
        batch("ftp://127.0.0.1:9/x", tmp_path / "out", leaky)
    with monkeypatch.context() as patch:
        patch.setattr(memory, "find", lambda *_, **__: 1 / 0)
        with pytest.raises(AudioFileError, match=r"cannot be listed \(ZeroDivisionError: .*check the address"):
            batch("memory://talks", tmp_path / "out", leaky)
    outcome = denoise_file(
        Task("gone.wav", 1, ""),
        Wishes("memory://talks", str(tmp_path / "out"), str(leaky.path), digest_of(leaky), None, None),
    )
    memory.pipe_file("/talks/bad.wav", b"no sound")
    bad = denoise_file(
        Task("bad.wav", 1, ""),
        Wishes("memory://talks", str(tmp_path / "out"), str(leaky.path), digest_of(leaky), None, None),
    )
    assert bad.fault.startswith("memory://talks/bad.wav is no audio file")
    assert "memory://talks/gone.wav cannot be read (FileNotFoundError: " in outcome.fault
    monkeypatch.setitem(sys.modules, "rtdenoise.batch.remote", None)
    open_folder.cache_clear()
    with pytest.raises(MissingPackageError, match=r"URLs need fsspec: pip install 'rtdenoise\[cluster\]'"):
        open_folder("memory://talks")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPackageError, match=r"--engine dask needs Dask: pip install 'rtdenoise\[cluster\]'"):
        batch(recordings, tmp_path / "out", leaky, engine="dask", scheduler="tcp://127.0.0.1:9", jobs=None)


def test_folders_of_this_machine_are_themselves(tmp_path):
    assert isinstance(open_folder(f"file://{tmp_path}"), LocalFolder)
    assert processes.usable_cores() >= 1
