"""Worker processes, each with one task at a time: one that is killed fails its own task only, and is replaced.

A worker ends by itself when the process that started it has gone, so that nothing goes on after a crash.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from types import ModuleType, TracebackType
from typing import Any

__all__ = ["Pool"]

#: A worker is renewed after so many tasks: typst keeps what it has set, some 80 MB for every PDF.
MOST_TASKS = 32


class Pool:
    """So many workers. `BrokenProcessPool` is the exception of a task whose worker was killed.

    Parameters
    ----------
    jobs : int
        Tasks at once.
    environment : mapping
        What to add to the environment of the workers, and so of their kernels.
    """

    def __init__(self, jobs: int, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._idle = [self._new() for _ in range(jobs)]
        self._busy: dict[Future[Any], ProcessPoolExecutor] = {}
        self._done: Counter[ProcessPoolExecutor] = Counter()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        for executor in (*self._idle, *self._busy.values()):
            executor.shutdown(wait=kind is None, cancel_futures=True)

    @property
    def idle(self) -> int:
        """How many workers have nothing to do."""
        return len(self._idle)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Start a task; some worker must be idle."""
        executor = self._idle.pop()
        try:
            future = self._start(executor, function, *arguments)
        except BrokenProcessPool:  # killed while it had nothing to do
            executor = self._renew(executor)
            future = self._start(executor, function, *arguments)
        self._busy[future] = executor
        return future

    def wait(self) -> list[Future[Any]]:
        """Return the tasks that have ended, at least one; none if none is under way."""
        done, _ = wait(self._busy, return_when=FIRST_COMPLETED)
        for future in done:
            executor = self._busy.pop(future)
            self._done[executor] += 1
            broken = isinstance(future.exception(), BrokenProcessPool)
            self._idle.append(self._renew(executor) if broken or self._done[executor] >= MOST_TASKS else executor)
        return list(done)

    @staticmethod
    def _start(executor: ProcessPoolExecutor, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        # The caller's own script need not be run again in a process that needs nothing of it.
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            return executor.submit(function, *arguments)
        finally:
            sys.modules["__main__"] = main

    def _renew(self, executor: ProcessPoolExecutor) -> ProcessPoolExecutor:
        self._done.pop(executor, None)
        executor.shutdown(wait=False)
        return self._new()

    def _new(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")  # the same on every platform
        executor = ProcessPoolExecutor(1, context, initializer=_prepare, initargs=(self._environment,))
        self._start(executor, _load)  # it loads while the others, and the kernels' server, do
        return executor


def _prepare(environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _load() -> None:
    """Do nothing: a function is found by loading the package that it lies in."""


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
