"""Keeps compiled programs on the disk, so that the same command compiles nothing the next time.

JAX finds a program by what it computes, its options, the versions of its libraries and the kind of the device. A
program for a CPU also holds instructions that not every processor has, which JAX does not look at, and a home directory
may serve many machines. So each kind of processor has a directory of its own.
"""

import dataclasses
import hashlib
import platform
from pathlib import Path
from typing import Any

import jax

from cnn_evolution.data import default_data_dir

LIMIT = 1_000_000_000  # bytes; the programs that were not used for longest make room
WORTH_KEEPING = 0.2  # seconds that a program takes to compile; JAX keeps those above 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compiling:
    """What every command line that compiles much takes.

    Attributes:
      compilation_cache: Keep compiled programs under the cache directory, up to 1 GB for each kind of processor.
    """

    compilation_cache: bool = True

    def keep_programs(self) -> None:
        """Makes JAX keep the programs compiled from now on, if that is wanted and no directory was chosen already.

        One is chosen by JAX_COMPILATION_CACHE_DIR in the environment.
        """
        config: Any = jax.config
        if self.compilation_cache and not config.jax_compilation_cache_dir:
            config.update("jax_compilation_cache_dir", str(directory()))
            config.update("jax_compilation_cache_max_size", LIMIT)
            config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING)


def directory(cpuinfo: Path = Path("/proc/cpuinfo")) -> Path:
    """Where programs for this processor lie."""
    return default_data_dir() / "compiled" / f"{platform.machine()}-{processor(cpuinfo)}"


def processor(cpuinfo: Path) -> str:
    """A short name for the kind of the first processor: its model and the instructions that it has."""
    kind = [platform.processor()]
    if cpuinfo.exists():
        lines = cpuinfo.read_text().split("\n\n")[0].splitlines()
        names = ("vendor_id", "cpu family", "model", "model name", "flags", "Features", "CPU part")
        kind += [line for line in lines if line.split(":")[0].strip() in names]
    return hashlib.sha256("\n".join(kind).encode()).hexdigest()[:12]
