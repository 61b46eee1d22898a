"""`rtdenoise batch`: a folder of recordings into another one."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from ..batch.folders import Folder, LocalFolder, check_apart, open_folder
from ..batch.journal import Journal
from ..batch.log import NAME, Log, NoLog
from ..batch.plan import Plan, choose, make_plan
from ..batch.processes import run_in_processes, usable_cores
from ..batch.progress import Progress
from ..batch.report import check_report, write_report
from ..batch.work import Outcome, Task, Wishes, digest_of
from ..engine import Denoiser
from ..errors import AudioFileError, ParameterError
from .reporter import Reporter

_SHOWN_FAULTS = 20


@dataclass(frozen=True)
class Batch:
    """What was asked for; see the options of the command line."""

    source: str
    target: str
    model: str
    attenuation_limit: float | None
    overlap: float | None
    jobs: int | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    report: str | None
    dry_run: bool
    force: bool
    engine: str
    scheduler: str | None


@dataclass
class _Tally:
    """What has come of a run up to now."""

    seconds: float = 0.0
    files: int = 0
    final_fault: str | None = None
    faults: dict[str, str] = field(default_factory=dict)


def run_batch(batch: Batch, reporter: Reporter) -> None:
    """Denoise all that is not yet done; returns when every file is.

    Raises:
        ParameterError, ModelError: the options cannot be met.
        AudioFileError: some files could not be done, and the rest is; or the place for results takes no more.
        RtdenoiseError: processes or the cluster gave up.
        KeyboardInterrupt: Ctrl+C; how to go on has been said.
    """
    _check(batch)
    source, target = open_folder(batch.source), open_folder(batch.target)
    check_apart(source, target, (batch.source, batch.target))
    model = Denoiser(16000, batch.model, batch.attenuation_limit, overlap=batch.overlap).model
    path = str(model.path) if batch.model != model.name else batch.model
    wishes = Wishes(
        _address(batch.source),
        _address(batch.target),
        path,
        digest_of(model),
        batch.attenuation_limit,
        batch.overlap,
    )
    listing = source.listing(skip=target)
    if "." in listing.faults:
        raise AudioFileError(f"IN_DIR {listing.faults['.']}; check the path and your rights")
    chosen = choose(listing, batch.include, batch.exclude, batch.source)
    with _journal(batch, target, wishes) as journal:
        plan = make_plan(chosen, listing, target.listing(), journal, (wishes.source, wishes.target))
        for remark in plan.remarks:
            reporter.say(f"rtdenoise: {remark}")
        if batch.dry_run:
            _show(plan, reporter)
            return
        for part in plan.parts:
            target.remove(part)
        journal.begin(plan.tasks)
        tally = _Tally(faults=plan.faults)
        begun = time.perf_counter()
        try:
            _run(batch, wishes, plan.tasks, journal, tally, reporter)
        except KeyboardInterrupt:
            left = len(plan.tasks) - tally.files
            reporter.say(
                f"rtdenoise: stopped; {_count(len(plan.finished) + tally.files)} done and kept, {left} to go: "
                "the same command goes on from there"
            )
            raise
        finally:
            if batch.report is not None:
                write_report(Path(batch.report), [task.name for task in chosen], journal.done, tally.faults)
        _sum_up(batch, plan, tally, time.perf_counter() - begun, reporter)


def _check(batch: Batch) -> None:
    if batch.engine == "dask" and batch.scheduler is None:
        raise ParameterError("--engine dask needs --scheduler ADDRESS, such as tcp://10.0.0.1:8786")
    if batch.engine == "dask" and batch.jobs is not None:
        raise ParameterError("--jobs is for processes of this machine; a cluster has the workers that it has")
    if batch.engine != "dask" and batch.scheduler is not None:
        raise ParameterError("--scheduler goes with --engine dask")
    for name, place in (("IN_DIR", batch.source), ("OUT_DIR", batch.target)):
        if not place.removeprefix("file://"):
            raise ParameterError(
                f"{name} is {place!r}, which names nothing; take a folder or a URL, or . for this folder"
            )
    if batch.target.startswith("memory://") and batch.engine != "dask":
        raise ParameterError(
            f"OUT_DIR {batch.target} is the memory of processes that end with their work; take a folder or a store"
        )
    source, target = open_folder(batch.source), open_folder(batch.target)
    if isinstance(source, LocalFolder):
        path = batch.source.removeprefix("file://")
        if source.path.is_file():
            raise ParameterError(f"IN_DIR {path} is a file; for one file: rtdenoise --input {path} --output FILE")
        if not source.path.is_dir():
            raise AudioFileError(f"IN_DIR {path}: there is no such folder")
    if isinstance(target, LocalFolder) and target.path.exists() and not target.path.is_dir():
        raise ParameterError(f"OUT_DIR {batch.target} is a file; results go into a folder")
    if batch.report is not None:
        check_report(Path(batch.report))


def _address(place: str) -> str:
    """What all processes and machines find the place by."""
    is_local = isinstance(open_folder(place), LocalFolder)
    return os.path.abspath(place.removeprefix("file://")) if is_local else place.rstrip("/")


@contextlib.contextmanager
def _journal(batch: Batch, target: Folder, wishes: Wishes) -> Iterator[Journal]:
    """The journal, held for as long as the context lasts; a dry run leaves no trace of one."""
    is_fresh = isinstance(target, LocalFolder) and not (target.path / NAME).exists()
    log: Log = NoLog() if batch.dry_run and is_fresh else target.log()
    with contextlib.closing(log):
        yield Journal(log, wishes, force=batch.force)


def _run(batch: Batch, wishes: Wishes, tasks: list[Task], journal: Journal, tally: _Tally, reporter: Reporter) -> None:
    by_name = {task.name: task for task in tasks}
    if not tasks:
        return
    if batch.engine == "dask":
        from ..batch.cluster import run_on_cluster

        assert batch.scheduler is not None
        events = run_on_cluster(tasks, wishes, batch.scheduler)
        reporter.say(f"rtdenoise: {_count(len(tasks))} on the cluster {batch.scheduler}")
    else:
        jobs = min(batch.jobs or usable_cores(), len(tasks))
        events = run_in_processes(tasks, wishes, jobs)
        reporter.say(f"rtdenoise: {_count(len(tasks))} in {jobs} process{'es' * (jobs > 1)}")
    with contextlib.closing(events), Progress(tasks, reporter.say, bar=reporter.on_terminal) as progress:
        for event in events:
            if not isinstance(event, Outcome):
                progress.share(*event)
                continue
            if event.is_final:
                tally.final_fault = event.fault
                return
            if event.fault is None:
                journal.add(by_name[event.name], event)
                tally.files += 1
                tally.seconds += event.facts["seconds"]
            else:
                tally.faults[event.name] = event.fault
            progress.finish(event.name)


def _sum_up(batch: Batch, plan: Plan, tally: _Tally, elapsed: float, reporter: Reporter) -> None:
    for name, fault in sorted(tally.faults.items())[:_SHOWN_FAULTS]:
        reporter.say(f"rtdenoise: not done: {fault if name in fault else f'{name}: {fault}'}")
    if len(tally.faults) > _SHOWN_FAULTS:
        where = batch.report or "--report FILE.csv"
        reporter.say(f"rtdenoise: and {len(tally.faults) - _SHOWN_FAULTS} more, see {where}")
    before = f"; {_count(len(plan.finished))} done before" if plan.finished else ""
    speed = f", {tally.seconds / elapsed:.0f} times real time" if tally.files else ""
    reporter.say(
        f"rtdenoise: {_count(tally.files)} done, {tally.seconds:.1f} s of sound in {elapsed:.1f} s{speed}{before}"
    )
    if tally.final_fault is not None:
        raise AudioFileError(f"{tally.final_fault}; what is done is kept, and the same command goes on from there")
    if tally.faults:
        raise AudioFileError(
            f"{_count(len(tally.faults))} could not be done, all others are; the same command tries them again"
        )


def _show(plan: Plan, reporter: Reporter) -> None:
    for task in sorted(plan.tasks, key=lambda task: task.name):
        click.echo(task.name)
    for name, fault in sorted(plan.faults.items()):
        reporter.say(f"rtdenoise: would not be done: {fault if name in fault else f'{name}: {fault}'}")
    megabytes = sum(task.size for task in plan.tasks) / 1e6
    before = f", {_count(len(plan.finished))} done before" if plan.finished else ""
    reporter.say(f"rtdenoise: {_count(len(plan.tasks))} to do, {megabytes:.1f} MB{before}; nothing was done")


def _count(files: int) -> str:
    return f"{files} file" if files == 1 else f"{files} files"
