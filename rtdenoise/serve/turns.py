"""Compute threads that work in turns on all that is ready, so that the event loop never computes.

Work is a generator: what lies between two of its ``yield`` is one turn, after which whoever waits goes first. Work that
is not urgent waits while there is some that is: a stream that is ahead of real time costs the others no more than the
turn that it is in. Results go back to the event loop together: it is woken once for all that have come until it looks.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Work = Generator[None, None, T]


def at_once(call: Callable[[], T]) -> Work[T]:
    """A function as work of a single turn."""
    return call()
    yield


class Done(Generic[T]):
    """What came of some work: ``value``, and the ``seconds`` that its turns took together."""

    __slots__ = ("seconds", "value")

    def __init__(self, value: T, seconds: float) -> None:
        self.value, self.seconds = value, seconds


class _Task:
    __slots__ = ("error", "future", "line", "seconds", "value", "work")

    def __init__(self, work: Work[Any], future: asyncio.Future[Done[Any]], line: deque[_Task]) -> None:
        self.work, self.future, self.line = work, future, line
        self.seconds = 0.0
        self.value: Any = None
        self.error: BaseException | None = None


class Turns:
    """Made in a running event loop, to which results go back.

    Args:
        workers: threads.
    """

    def __init__(self, workers: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._urgent: deque[_Task] = deque()
        self._rest: deque[_Task] = deque()
        # True for each task in one of the lines, so that there is one for whoever gets it; False ends a thread.
        self._tickets: SimpleQueue[bool] = SimpleQueue()
        self._done: deque[_Task] = deque()
        self._woken = False
        self._threads = [
            threading.Thread(target=self._work, name=f"rtdenoise-serve-{i}", daemon=True) for i in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Pieces of work that no thread has taken up."""
        return self._tickets.qsize()

    def run(self, work: Work[T], *, urgent: bool = True) -> asyncio.Future[Done[T]]:
        """Have it done; from the event loop's thread. What it raises, awaiting raises."""
        future: asyncio.Future[Done[T]] = self._loop.create_future()
        self._line_up(_Task(work, future, self._urgent if urgent else self._rest))
        return future

    def close(self) -> None:
        """End the threads, each after the turn that it is in, and wait for them."""
        for _ in self._threads:
            self._tickets.put(False)
        for thread in self._threads:
            thread.join()

    def _line_up(self, task: _Task) -> None:
        task.line.append(task)
        self._tickets.put(True)

    def _work(self) -> None:
        while self._tickets.get():
            try:
                task = self._urgent.popleft()
            except IndexError:
                task = self._rest.popleft()
            self._take_turn(task)
            del task  # nothing is kept of it while this thread waits for the next one

    def _take_turn(self, task: _Task) -> None:
        begun = time.perf_counter()
        try:
            next(task.work)
        except StopIteration as end:
            task.value = end.value
        except Exception as error:  # belongs to whoever awaits it; this thread serves the others too
            task.error = error
        else:
            task.seconds += time.perf_counter() - begun
            self._line_up(task)
            return
        task.seconds += time.perf_counter() - begun
        self._done.append(task)
        # The loop takes the flag down before it looks, so nothing that was put in before can be overlooked.
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._woken = False
        while self._done:
            task = self._done.popleft()
            if task.future.done():  # nobody waits any more
                continue
            if task.error is not None:
                task.future.set_exception(task.error)
            else:
                task.future.set_result(Done(task.value, task.seconds))
