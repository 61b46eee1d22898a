"""The work on a Dask cluster: the same function for each file, wherever there is a free core."""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections import deque
from typing import Any

from .. import __version__
from ..errors import MissingPackageError, ParameterError, RtdenoiseError
from .work import Events, Outcome, Task, Wishes, denoise_file

_CONNECT_SECONDS, _WORKER_SECONDS, _CLOSE_SECONDS = 5, 10, 0.5
#: Tasks that the scheduler knows of at a time: enough for any cluster, little enough for millions of files.
_AHEAD = 2000


def run_on_cluster(tasks: list[Task], wishes: Wishes, scheduler: str) -> Events:
    """Do all tasks; Dask gives what a worker that died had to do to another one, and after some deaths gives up.

    Args:
        tasks: in the order in which they are begun.
        wishes: what is meant for all; its folders are such as the workers can reach.
        scheduler: address, such as ``tcp://10.0.0.1:8786``.

    Yields:
        An `Outcome` for each task, once.

    Raises:
        MissingPackageError: Dask is not installed.
        ParameterError: no scheduler or no worker answers, or workers lack this version.
        RtdenoiseError: the scheduler has gone.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise MissingPackageError("--engine dask needs Dask: pip install 'rtdenoise[cluster]'") from None
    for name in logging.root.manager.loggerDict:
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is said here, in one line
    try:
        client = distributed.Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ParameterError(
            f"--scheduler {scheduler}: no Dask scheduler answers there ({reason}); start one with: dask scheduler"
        ) from None
    try:
        _check_workers(client, scheduler)
        waiting, running = deque(tasks), distributed.as_completed(loop=client.loop)
        names: dict[str, str] = {}

        def submit() -> None:
            task = waiting.popleft()
            future = client.submit(denoise_file, task, wishes, pure=False)
            names[future.key] = task.name
            running.add(future)

        while waiting and len(names) < _AHEAD:
            submit()
        for future in running:
            name = names.pop(future.key)
            if waiting:
                submit()
            if future.status == "finished":
                yield future.result()
            elif future.status == "cancelled" or client.status != "running":
                raise RtdenoiseError(
                    f"the Dask scheduler {scheduler} has gone; what is done is kept, and the same command goes on"
                )
            else:
                problem = future.exception()
                reason = " ".join(f"{type(problem).__name__}: {problem}".split())[:300]
                yield Outcome(name, {}, f"it failed on the cluster ({reason})")
    finally:
        with contextlib.suppress(Exception):
            client.close(timeout=_CLOSE_SECONDS)


def version_here() -> str:
    """Of rtdenoise, where this runs."""
    return __version__


def _check_workers(client: Any, scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_WORKER_SECONDS)
    except (OSError, TimeoutError):
        raise ParameterError(
            f"--scheduler {scheduler}: it has no workers; start one for each core: "
            f"dask worker {scheduler} --nworkers auto --nthreads 1"
        ) from None
    try:
        versions = set(client.run(version_here).values())
    except Exception as error:
        versions = {f"none ({type(error).__name__}: {error})"}
    if versions != {__version__}:
        raise ParameterError(
            f"--scheduler {scheduler}: its workers have rtdenoise {', '.join(sorted(versions))}, and here is "
            f"{__version__}; install the same one everywhere"
        )
