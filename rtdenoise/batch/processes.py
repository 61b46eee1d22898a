"""The work on all cores of this machine: a process for each, which gets one file after the other.

Each is fed through a pipe of its own, so it is known which file a process that died had, and a process whose parent
died notices by its pipe. The standard library's pool knows neither.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
from collections import deque
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import Any

from ..errors import RtdenoiseError
from .folders import open_folder
from .work import Events, Outcome, Task, Wishes
from .worker import READY, serve

_WAIT_SECONDS = 0.2  # Windows hears Ctrl+C only in between
_DEATH_SECONDS = 1.0  # from closing its pipe to having an exit code
_STARTS = 3  # in a row that may fail
#: What numpy's libraries are told, so that each process computes with one thread.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_in_processes(tasks: list[Task], wishes: Wishes, jobs: int) -> Events:
    """Do all tasks; a file whose process dies is tried once more.

    Args:
        tasks: in the order in which they are begun.
        wishes: what is meant for all.
        jobs: how many processes.

    Yields:
        An `Outcome` for each task, once, and in between names with the share that is done.

    Raises:
        RtdenoiseError: processes die before they have begun anything.

    When the caller is through with it, by an exception as well, no process is left and nothing half-made.
    """
    waiting, tried, failed_starts = deque(tasks), set[str](), 0
    workers: list[_Worker] = []
    scratch = tempfile.mkdtemp(prefix="rtdenoise-")  # of all workers, for those that die leave theirs behind
    try:
        while waiting or any(worker.task for worker in workers):
            for worker in workers:
                if worker.task is None:
                    worker.give(waiting)
            while waiting and len(workers) < jobs:
                workers.append(_Worker(wishes, scratch))
                workers[-1].give(waiting)
            for worker in _heard(workers):
                message = worker.receive()
                if message is None:
                    workers.remove(worker)
                    task, death = worker.task, worker.bury(_DEATH_SECONDS)
                    if not worker.is_ready:
                        failed_starts += 1
                        if failed_starts == _STARTS:
                            raise RtdenoiseError(
                                f"processes that denoise cannot be started: {_STARTS} in a row {death}; "
                                "is there memory enough? fewer of them: --jobs 1"
                            )
                    elif task is not None and task.name in tried:
                        fewer = "try --jobs 1" if jobs > 1 else "is there enough?"
                        fault = f"the process that denoised it {death}, twice; perhaps memory ran out: {fewer}"
                        yield Outcome(task.name, {}, fault)
                        continue
                    elif task is not None:
                        tried.add(task.name)
                    if task is not None:
                        waiting.appendleft(task)
                elif message == READY:
                    worker.is_ready, failed_starts = True, 0
                elif isinstance(message, Outcome):
                    worker.give(waiting)  # before anybody writes anything down: it need not wait for that
                    yield message
                elif worker.task is not None:
                    yield worker.task.name, message
    finally:
        for worker in workers:
            worker.bury()
        shutil.rmtree(scratch, ignore_errors=True)


class _Worker:
    """A process and what it has to do."""

    def __init__(self, wishes: Wishes, scratch: str) -> None:
        self.task: Task | None = None
        self.is_ready = False
        self._wishes = wishes
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        resource_tracker.ensure_running()  # whose start, else within that of the process, would open its ears again
        self._process = context.Process(target=serve, args=(theirs, wishes), name="rtdenoise batch", daemon=True)
        with _deaf_to_interrupts(), _environment(_ONE_THREAD | {"TMPDIR": scratch}):
            self._process.start()
        theirs.close()

    def give(self, waiting: deque[Task]) -> None:
        """The next task, or none."""
        self.task = waiting.popleft() if waiting else None
        if self.task is not None:
            with contextlib.suppress(OSError):  # it has died, which `receive` will tell
                self.pipe.send(self.task)

    def receive(self) -> Any:
        """What it says; ``None`` once it has died."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            return None

    def bury(self, seconds: float = 0.0) -> str:
        """End it, after it had so long to end by itself; remove what it had half-made, and say how it ended."""
        self._process.join(seconds)
        self._process.kill()
        self._process.join()
        self.pipe.close()
        if self.task is not None:
            open_folder(self._wishes.target).remove_parts(self.task.name)
        code = self._process.exitcode or 0
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _heard(workers: list[_Worker]) -> list[_Worker]:
    """Those that have something to say, or have died."""
    pipes: dict[Any, _Worker] = {worker.pipe: worker for worker in workers}
    return [pipes[pipe] for pipe in wait(list(pipes), _WAIT_SECONDS)]


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """What is started inherits that Ctrl+C, which reaches all processes of a terminal, is not for it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
