"""How many processes decode images, where that is left to the machine.

Threads share Python's lock, so only a few of them decode side by side. Processes share nothing, but take seconds to
start and hand their batches over through shared memory. So a few cores and small images are for threads.
"""

import ast
import math
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Literal

from cnn_evolution.data.sources import ImageSource

Workers = int | Literal["auto"]
"""Processes that decode images; 0 decodes in threads of this one; "auto" leaves it to `workers_for`."""

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of all cores a period, and the period; <https://docs.kernel.org/admin-guide/cgroup-v2.html>."""

SMALL = 128  # pixels a side, below which an image takes more Python than decoding
_FEW_CORES = 4  # which threads keep busy
_IMAGES_TO_START = 1000  # that a core decodes while a process starts
_IN_FLIGHT = 4  # batches of a worker in shared memory at most


def workers_for(workers: Workers, source: ImageSource, *, size: int, batch_size: int, images: float = math.inf) -> int:
    """The number of processes to start.

    "auto" gives all cores but one that this process may use if they are more than four, but no more than the images and
    the shared memory are enough for. It gives none for small images, for records that are not on disk, which every
    process would hold, and where the main module calls outside of `if __name__ == "__main__"`, since processes import
    it.

    Args:
        workers: A number, which is kept, or "auto".
        source: What they read.
        size: Side of the crops, in pixels.
        batch_size: Images of a batch in this process.
        images: How many will be read.

    Raises:
        ValueError: `workers` is neither.
    """
    if workers != "auto":
        if not isinstance(workers, int) or workers < 0:
            raise ValueError(f"workers is {workers!r}, expected 'auto', 0 (threads of this process) or more")
        return workers
    cores = available_cores()
    if size < SMALL or cores <= _FEW_CORES or not source.on_disk or not _main_can_be_imported():
        return 0
    batches = _shared_memory() / (batch_size * size * size * 3)
    return int(min(cores - 1, images / _IMAGES_TO_START, batches / _IN_FLIGHT))


def available_cores() -> int:
    """Cores that this process may use: by its affinity, the quota of its container and SLURM's share of a task."""
    affinity = getattr(os, "sched_getaffinity", None)  # which not every system has
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    if QUOTA.is_file():
        quota, period = QUOTA.read_text().split()
        if quota != "max":
            cores = min(cores, math.ceil(int(quota) / int(period)))
    if share := os.environ.get("SLURM_CPUS_PER_TASK"):
        cores = min(cores, int(share))
    return max(1, cores)


def _shared_memory() -> float:
    """Bytes that are free there. Containers may have very little, and a process that runs out of it is killed."""
    return shutil.disk_usage("/dev/shm").free if Path("/dev/shm").is_dir() else math.inf


def _main_can_be_imported() -> bool:
    """Whether processes that import the main module do not start what it is doing now: it has no file, or a guard."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is None:  # a notebook, or `python -c`
        return True
    try:
        statements = ast.parse(Path(file).read_bytes()).body
    except (OSError, ValueError, SyntaxError):
        return False
    guards = [one for one in statements if isinstance(one, ast.If) and "__main__" in ast.unparse(one.test)]
    frames = (frame for frame, _ in traceback.walk_stack(None))
    lines = [frame.f_lineno for frame in frames if frame.f_code.co_name == "<module>" and frame.f_globals is vars(main)]
    return any(guard.lineno <= line <= (guard.body[-1].end_lineno or 0) for guard in guards for line in lines)
