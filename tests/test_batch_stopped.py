"""Hazard: a run that has to stop, by Ctrl+C, a full disk, another run, or dying workers, hangs, loses or hides it."""

from __future__ import annotations

import os
import re
import resource
import signal
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from batch_folders import batch, contents, finished, save, save_many, wait_for, workers_of
from command_line import COMMAND, interrupt, refused, run, start
from terminal import Terminal

from rtdenoise import AudioFileError, RtdenoiseError
from rtdenoise.batch import processes, progress, worker
from rtdenoise.batch.work import Task, Wishes, digest_of

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    return save_many(tmp_path_factory.mktemp("recordings"), 8, seconds=12)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_at_once_and_says_how_to_go_on(recordings, leaky, tmp_path, number):
    out, report = tmp_path / "out", tmp_path / "report.csv"
    running = start("batch", recordings, out, "--model", leaky.path, "--report", report, start_new_session=True)
    wait_for(out, 1, running)
    workers = workers_of(running.pid)
    if number == signal.SIGINT:
        for process in workers:  # a terminal sends it to everybody
            process.send_signal(number)
    begun = time.monotonic()
    outcome = interrupt(running, number)
    assert time.monotonic() - begun < 1
    assert outcome.code == 130
    assert not any(process.is_running() and process.status() != "zombie" for process in workers)
    done = len(finished(out))
    assert f"stopped; {done} file{'s' * (done > 1)} done and kept, {8 - done} to go: the same command" in outcome.err
    assert "Traceback" not in outcome.err
    assert len(contents(out)) in (done, done + 1)  # one may have got its name without being written down
    assert not list(out.rglob("*.part"))
    rows = report.read_text().splitlines()
    assert len(rows) == 9
    assert sum(",done," in row for row in rows) == done


def test_ctrl_c_before_any_worker_is_ready(recordings, tmp_path):
    running = start("batch", recordings, tmp_path / "out")
    while not (tmp_path / "out").exists() or not workers_of(running.pid):
        assert running.poll() is None
    outcome = interrupt(running)
    assert outcome.code == 130
    assert re.search(r"stopped; \d files? done and kept, \d to go", outcome.err)
    assert "Traceback" not in outcome.err


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at the signals that a process does not hear")
def test_no_process_hears_the_ctrl_c_of_the_terminal(recordings, tmp_path):
    running = start("batch", recordings, tmp_path / "out", "--jobs", "2")
    while len(workers := workers_of(running.pid)) < 2:
        assert running.poll() is None
    for process in workers:
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert int(re.search(r"SigBlk:\s*(\w+)", status)[1], 16) & 1 << signal.SIGINT - 1, status
    interrupt(running)


def test_ctrl_c_while_the_bar_appears_gives_the_cursor_back(monkeypatch):
    drawn = []
    bar = SimpleNamespace(add_task=lambda *a, **k: 0, start=raise_interrupt, stop=lambda: drawn.append("cursor"))
    monkeypatch.setattr(progress, "_bar", lambda: bar)
    with pytest.raises(KeyboardInterrupt), progress.Progress([], print, bar=True):
        pass
    assert drawn == ["cursor"]


def raise_interrupt():
    raise KeyboardInterrupt


def test_a_terminal_shows_how_far_it_is_and_takes_ctrl_c(recordings, tmp_path):
    command = [*COMMAND, "batch", str(recordings), str(tmp_path / "out"), "--jobs", "2"]
    with Terminal(command) as terminal:
        terminal.wait_for(r"[1-7] of 8 files .* [1-9]\d?% .*\d:\d\d left \d:\d\d:\d\d", 60)
        begun = time.monotonic()
        terminal.type("\x03")  # which reaches the workers as well
        assert terminal.wait() == 130
        assert time.monotonic() - begun < 1
        screen = terminal.screen
    assert re.search(r"stopped; \d files? done and kept, \d to go: the same command goes on", screen)
    assert "left" not in screen
    assert "Traceback" not in screen


def test_a_full_disk_stops_with_one_message_and_the_same_command_goes_on(tmp_path, identity):
    save(tmp_path / "in" / "large.wav", seconds=40)  # goes first
    for name in "abc":
        save(tmp_path / "in" / f"{name}.wav")

    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, old[1]))  # which workers inherit
    try:
        with pytest.raises(
            AudioFileError, match=r"large.wav could not be written .* MB are free there\): make room"
        ) as told:
            batch(tmp_path / "in", tmp_path / "out", identity)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert " MB are free there): " in str(told.value)
    assert str(told.value).endswith("; what is done is kept, and the same command goes on from there")
    assert contents(tmp_path / "out") == {}
    assert "4 files done" in batch(tmp_path / "in", tmp_path / "out", identity).text
    assert len(contents(tmp_path / "out")) == 4


def test_a_second_run_is_kept_out_while_the_first_goes_on(recordings, leaky, tmp_path):
    running = start("batch", recordings, tmp_path / "out", "--model", leaky.path)
    wait_for(tmp_path / "out", 1, running)
    running.send_signal(signal.SIGSTOP)
    outcome = run("batch", recordings, tmp_path / "out", "--model", leaky.path)
    refused(outcome, 1, "another rtdenoise batch is writing to", "wait for its end, or give this one another")
    for options in ({"force": True}, {"dry_run": True}):
        with pytest.raises(AudioFileError, match="another rtdenoise batch"):
            batch(recordings, tmp_path / "out", leaky, **options)
    assert finished(tmp_path / "out")
    running.kill()  # which lets go of the lock
    running.communicate()
    batch(recordings, tmp_path / "out", leaky, dry_run=True)


def killed_twice(tasks, wishes, kill):
    """Outcomes of a run in which ``kill`` gets the workers whenever the deadly file is being done."""
    outcomes = []
    for event in processes.run_in_processes(tasks, wishes, 1):
        if isinstance(event, tuple) and event[0] == "deadly.wav":
            kill(workers_of(os.getpid()))
        elif not isinstance(event, tuple):
            outcomes.append(event)
    return outcomes


def test_a_file_that_kills_its_worker_is_tried_once_more_and_told(tmp_path, leaky, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    save(tmp_path / "in" / "deadly.wav", seconds=60)
    save(tmp_path / "in" / "good.wav")
    wishes = Wishes(str(tmp_path / "in"), str(tmp_path / "out"), str(leaky.path), digest_of(leaky), None, None)
    deaths = []

    def kill(workers):
        deaths.extend(workers)
        for process in workers:
            process.kill()
        time.sleep(0.1)

    outcomes = killed_twice([Task("deadly.wav", 2, ""), Task("good.wav", 1, "")], wishes, kill)
    assert [outcome.name for outcome in outcomes] == ["deadly.wav", "good.wav"]
    assert outcomes[0].fault.startswith("the process that denoised it was killed by signal 9, twice; perhaps memory")
    assert outcomes[1].fault is None
    assert len({process.pid for process in deaths}) == 2
    assert set(contents(tmp_path / "out")) == {"good.wav"}
    assert not list((tmp_path / "scratch").iterdir())


def test_workers_that_cannot_start_end_the_run(tmp_path, identity, monkeypatch):
    save(tmp_path / "in" / "a.wav")
    wishes = Wishes(str(tmp_path / "in"), str(tmp_path / "out"), str(identity.path), digest_of(identity), None, None)
    monkeypatch.setattr(processes, "serve", os._exit)  # which takes the pipe for no exit code, and ends with 1
    monkeypatch.setattr(processes, "_STARTS", 2)
    with pytest.raises(RtdenoiseError, match=r"cannot be started: 2 in a row ended with exit code 1; .*--jobs 1"):
        list(processes.run_in_processes([Task("a.wav", 1, "")], wishes, 1))


def test_a_model_that_vanishes_stops_the_run(tmp_path, identity, leaky):
    save(tmp_path / "in" / "a.wav")
    wishes = Wishes(
        str(tmp_path / "in"), str(tmp_path / "out"), str(tmp_path / "gone.onnx"), digest_of(leaky), None, None
    )
    (outcome,) = processes.run_in_processes([Task("a.wav", 1, "")], wishes, 1)
    assert outcome.is_final
    assert "gone.onnx cannot be read" in outcome.fault


def test_a_worker_that_is_left_alone_ends_in_the_middle_of_a_file(tmp_path, leaky):
    import multiprocessing

    save(tmp_path / "in" / "long.wav", seconds=600)
    wishes = Wishes(str(tmp_path / "in"), str(tmp_path / "out"), str(leaky.path), digest_of(leaky), None, None)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=worker.serve, args=(theirs, wishes))
    process.start()
    theirs.close()
    assert ours.recv() == worker.READY
    ours.send(Task("long.wav", 1, ""))
    assert 0 < ours.recv() < 1
    ours.close()
    process.join(5)
    assert process.exitcode == 0
    assert contents(tmp_path / "out") == {}
