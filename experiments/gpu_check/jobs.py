"""Work in processes of their own, which ends at a deadline and keeps what it had measured until then.

A process of its own gets its flags, its platform and its share of the device's memory; whatever happens to it, the
others go on.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, cast

NO_TIME = "no time was left"


@dataclasses.dataclass(frozen=True)
class Job:
    """What one process measures.

    Attributes:
      name: Distinguishes it from the others that run at the same time.
      expected: The keys of what `work` yields, in order.
      work: A function of a module, which yields (key, value); a value is an exception where measuring failed.
      arguments: What `work` is called with.
      environment: Variables of the process.
    """

    name: str
    expected: tuple[str, ...]
    work: Callable[..., Iterator[tuple[str, Any]]]
    arguments: tuple[Any, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What the process of a job sent, and why the rest of `expected` is missing, by key."""

    values: Mapping[str, Any]
    missing: Mapping[str, str]


def run(jobs: Sequence[Job], deadline: float) -> dict[str, Outcome]:
    """Runs jobs side by side, until `time.monotonic()` is `deadline`; the outcomes by name."""
    values: dict[str, dict[str, Any]] = {job.name: {} for job in jobs}
    failed: dict[str, dict[str, str]] = {job.name: {} for job in jobs}
    ends: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        running = {stack.enter_context(_started(job)): job.name for job in jobs}
        while running and (ready := wait(list(running), timeout=max(0.0, deadline - time.monotonic()))):
            for line in cast(list[Connection], ready):
                name = running[line]
                try:
                    key, value, reason = line.recv()
                except EOFError:
                    key, value, reason = None, None, "its process died"
                if key is None:
                    ends[name] = reason
                    del running[line]
                elif reason:
                    failed[name][key] = reason
                else:
                    values[name][key] = value
    missing = {
        job.name: {key: ends.get(job.name, NO_TIME) for key in job.expected if key not in values[job.name]}
        for job in jobs
    }
    return {job.name: Outcome(values[job.name], missing[job.name] | failed[job.name]) for job in jobs}


@contextlib.contextmanager
def _started(job: Job) -> Iterator[Connection]:
    """What a job's process writes to; the process, and those that it started, are gone when the context ends."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(there, job))
    before = dict(os.environ)
    os.environ.update(job.environment)  # a spawned process starts with what is here now
    try:
        process.start()
    finally:
        os.environ.clear()
        os.environ.update(before)
    there.close()
    try:
        yield here
    finally:
        assert process.pid is not None  # it was started
        with contextlib.suppress(ProcessLookupError):  # it has no group of its own yet, or has ended
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()
        here.close()


def _work(connection: Connection, job: Job) -> None:
    """Sends (key, value, why there is none), and last (None, None, why it ended early)."""
    os.setsid()
    reason = ""
    try:
        for key, value in job.work(*job.arguments):
            connection.send((key, None, short(value)) if isinstance(value, Exception) else (key, value, ""))
    except Exception as error:
        reason = short(error)
    connection.send((None, None, reason or "it was not measured"))


def short(error: Exception) -> str:
    """The kind of the error and the first line of what it says."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
