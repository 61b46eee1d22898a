"""Hazard: on a cluster a file is lost, half-made or done otherwise, or a cluster that is not there is waited for."""

from __future__ import annotations

import logging
import os
import time

import pytest
from batch_folders import batch, contents, finished, save, save_many, wait_for
from command_line import run, start

from rtdenoise import AudioFileError, ParameterError, RtdenoiseError
from rtdenoise.batch import cluster
from rtdenoise.batch.work import Task, Wishes, digest_of

pytestmark = pytest.mark.alone

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def dask():
    """Two workers, processes of one thread each."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as running:
        yield running


def test_a_worker_that_is_killed_in_the_middle_loses_nothing(dask, leaky, tmp_path):
    recordings = save_many(tmp_path / "in", 10, seconds=8)
    batch(recordings, tmp_path / "here", leaky)
    out = tmp_path / "out"
    command = ["batch", recordings, out, "--model", leaky.path]
    running = start(*command, "--engine", "dask", "--scheduler", dask.scheduler_address, "--report", tmp_path / "r.csv")
    wait_for(out, 2, running)
    whole = contents(tmp_path / "here")
    os.kill(dask.workers[0].process.pid, 9)
    while running.poll() is None:
        for name, content in whole.items():
            if (out / name).exists():
                assert (out / name).read_bytes() == content, name
        time.sleep(0.01)
    text = running.communicate()[1].decode()
    assert running.returncode == 0, text
    assert f"10 files on the cluster {dask.scheduler_address}" in text
    assert "10 files done" in text
    parts = {name: content for name, content in contents(out).items() if name.endswith(".part")}
    assert {name: content for name, content in contents(out).items() if name not in parts} == whole
    assert len(finished(out)) == len(set(finished(out))) == 10
    assert (tmp_path / "r.csv").read_text().count(",done,") == 10
    assert "10 files done before" in batch(recordings, out, leaky).text, "the journal is the same for both engines"
    assert contents(out) == whole, "what the killed worker left is removed"


def test_ctrl_c_on_a_cluster_goes_on_later(dask, leaky, tmp_path):
    recordings = save_many(tmp_path / "in", 8, seconds=60)
    options = ["--model", leaky.path, "--engine", "dask", "--scheduler", dask.scheduler_address]
    running = start("batch", recordings, tmp_path / "out", *options)
    wait_for(tmp_path / "out", 1, running)
    running.send_signal(2)
    begun = time.monotonic()
    text = running.communicate(timeout=10)[1].decode()
    assert running.returncode == 130
    assert time.monotonic() - begun < 2
    assert "the same command goes on" in text
    assert "Traceback" not in text
    outcome = run("batch", recordings, tmp_path / "out", *options)
    assert outcome.code == 0, outcome.err
    assert len(finished(tmp_path / "out")) == len(contents(tmp_path / "out")) == 8


def test_bad_files_and_a_model_that_workers_lack(dask, leaky, tmp_path):
    save(tmp_path / "in" / "good.wav")
    (tmp_path / "in" / "bad.wav").write_text("no sound")
    options = {"engine": "dask", "scheduler": dask.scheduler_address, "jobs": None}
    with pytest.raises(AudioFileError, match="1 file could not be done, all others are"):
        batch(tmp_path / "in", tmp_path / "out", leaky, **options)
    assert set(contents(tmp_path / "out")) == {"good.wav"}
    gone = str(tmp_path / "gone.onnx")
    wishes = Wishes(str(tmp_path / "in"), str(tmp_path / "out"), gone, digest_of(leaky), None, None)
    (outcome,) = cluster.run_on_cluster([Task("good.wav", 1, "")], wishes, dask.scheduler_address)
    assert outcome.is_final
    assert "gone.onnx cannot be read" in outcome.fault


def test_a_file_that_kills_every_worker_is_told(dask, leaky, tmp_path, monkeypatch):
    wishes = Wishes(str(tmp_path), str(tmp_path / "out"), str(leaky.path), digest_of(leaky), None, None)
    save(tmp_path / "good.wav")
    monkeypatch.setattr(cluster, "denoise_file", _deadly)
    outcomes = list(
        cluster.run_on_cluster([Task("deadly.wav", 1, ""), Task("good.wav", 1, "")], wishes, dask.scheduler_address)
    )
    faults = {outcome.name: outcome.fault for outcome in outcomes}
    assert faults["good.wav"] is None
    assert faults["deadly.wav"].startswith("it failed on the cluster (KilledWorker: ")


def _deadly(task, wishes):
    from rtdenoise.batch.work import denoise_file

    if task.name == "deadly.wav":
        os._exit(1)
    return denoise_file(task, wishes)


def test_a_scheduler_that_is_not_there_is_told_within_seconds(tmp_path, monkeypatch):
    save(tmp_path / "in" / "a.wav")
    begun = time.monotonic()
    outcome = run("batch", tmp_path / "in", tmp_path / "out", "--engine", "dask", "--scheduler", "tcp://127.0.0.1:9")
    assert time.monotonic() - begun < 20
    assert outcome.code == 2
    assert "--scheduler tcp://127.0.0.1:9: no Dask scheduler answers there" in outcome.err
    assert "Traceback" not in outcome.err
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 0.5)
    for address in ("nonsense://x", "tcp://127.0.0.1:9"):
        with pytest.raises(ParameterError, match=r"no Dask scheduler answers there .*; start one with: dask scheduler"):
            batch(tmp_path / "in", tmp_path / "out", engine="dask", scheduler=address, jobs=None)


def test_a_scheduler_without_workers_or_with_other_ones(leaky, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_WORKER_SECONDS", 0.5)
    save(tmp_path / "a.wav", seconds=60)
    wishes = Wishes(str(tmp_path), str(tmp_path / "out"), str(leaky.path), digest_of(leaky), None, None)
    tasks = [Task("a.wav", 1, "")]
    with distributed.LocalCluster(
        n_workers=0, threads_per_worker=1, processes=False, dashboard_address=":0", host="127.0.0.1", protocol="tcp://"
    ) as running:
        address = running.scheduler_address
        with pytest.raises(ParameterError, match=r"it has no workers; start one for each core: dask worker tcp"):
            list(cluster.run_on_cluster(tasks, wishes, address))
        running.scale(1)
        monkeypatch.setattr(cluster, "_WORKER_SECONDS", 10)
        monkeypatch.setattr(cluster, "version_here", lambda: "0.0.1")
        with pytest.raises(ParameterError, match=r"its workers have rtdenoise 0.0.1, and here is .*everywhere"):
            list(cluster.run_on_cluster(tasks, wishes, address))


def test_a_scheduler_that_goes_in_the_middle_is_told(leaky, tmp_path):
    import subprocess
    import sys

    recordings = save_many(tmp_path / "in", 6, seconds=10)
    code = (
        "import distributed, time\n"
        "if __name__ == '__main__':\n"
        "    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, host='127.0.0.1',\n"
        "                                  dashboard_address=':0', protocol='tcp://') as running:\n"
        "        print(running.scheduler_address, flush=True)\n"
        "        time.sleep(100)\n"
    )
    scheduler = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        address = scheduler.stdout.readline().strip()
        wishes = Wishes(str(recordings), str(tmp_path / "out"), str(leaky.path), digest_of(leaky), None, None)
        tasks = [Task(str(path.relative_to(recordings)), 1, "") for path in recordings.rglob("*.wav")]
        events = cluster.run_on_cluster(tasks, wishes, address)
        assert next(events).fault is None
        scheduler.kill()
        begun = time.monotonic()
        with pytest.raises(RtdenoiseError, match=f"the Dask scheduler {address} has gone; what is done is kept"):
            list(events)
        assert time.monotonic() - begun < 15
        assert not logging.getLogger("distributed.client").isEnabledFor(logging.ERROR)  # which shows tracebacks
    finally:
        scheduler.kill()
        scheduler.wait()
