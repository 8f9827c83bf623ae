"""Prepared data sets in object storage (gs://, s3://, whatever fsspec knows), copied to this machine on first use.

Images are read in random order, one small read each, for which storage is too slow; so whole shards are copied, of the
splits that are opened. A copy has the size and the time of change of its original, and is made again if either differs.
"""

import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from cnn_evolution.files import replacing
from cnn_evolution.needed import needed_for

_SHARD = re.compile(r"-\d+-of-\d+$")
_THREADS = 16  # that copy; each waits for storage most of the time
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stored:
    """A directory in storage, and the one on this machine for copies of its files.

    Attributes:
        address: Of the directory, such as gs://bucket/tensorflow_datasets.
        local: Where copies lie, under the same names.
    """

    address: str
    local: Path

    def copy_descriptions(self, name: str) -> None:
        """Copies what TFDS says of a data set, in all versions and configurations, and no images.

        Raises:
            FileNotFoundError: there is no data set of this name.
            ValueError, ModuleNotFoundError, OSError: as `copy`.
        """
        found = {file: info for file, info in self._listed(name).items() if not _SHARD.search(file)}
        if not any(file.endswith("/features.json") for file in found):
            raise FileNotFoundError(f"{self.address}/{name} holds no data set that TFDS prepared (no features.json)")
        self._copy(found)

    def copy(self, directory: Path, names: Sequence[str]) -> None:
        """Copies files of a directory under `local`, but those that are there already.

        Raises:
            ValueError: fsspec does not know such addresses.
            ModuleNotFoundError: the package for them is not installed.
            FileNotFoundError: storage lacks one of them.
            OSError: storage cannot be read, or there is no room for the copies.
        """
        place = directory.relative_to(self.local).as_posix()
        found, wanted = self._listed(place), [f"{place}/{name}" for name in names]
        if missing := [name for name in wanted if name not in found]:
            raise FileNotFoundError(f"{self.address} lacks {len(missing)} of {len(wanted)} files, {missing[0]} say")
        self._copy({name: found[name] for name in wanted})

    def _listed(self, place: str) -> dict[str, Mapping[str, Any]]:
        """What storage says of every file under a directory, by its path from `address` on."""
        with self._opened() as (files, root):
            files.invalidate_cache()
            found = files.find(f"{root}/{place}", detail=True)
            return {name.removeprefix(f"{root}/"): info for name, info in found.items()}

    def _copy(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        self.local.mkdir(parents=True, exist_ok=True)
        with FileLock(self.local / "copying.lock"), self._opened() as (files, root):  # processes take turns
            for directory in {(self.local / name).parent for name in found}:
                for cut in directory.glob("*.tmp"):  # left by a process that was killed
                    cut.unlink()
            marks = {name: (info["size"], _time(files.modified(f"{root}/{name}"))) for name, info in found.items()}
            lacking = [name for name in found if _marks(self.local / name) != marks[name]]
            size, free = sum(marks[name][0] for name in lacking), shutil.disk_usage(self.local).free
            if size > free:
                raise OSError(
                    f"copies need {size:,} bytes, and {self.local} has {free:,} free; choose another place with the "
                    "environment variable CNN_EVOLUTION_DATA"
                )
            if any(map(_SHARD.search, lacking)):
                _logger.warning("copying %d files of %s, %s bytes, to %s", len(lacking), root, f"{size:,}", self.local)

            def copy(name: str) -> None:
                (self.local / name).parent.mkdir(parents=True, exist_ok=True)
                with replacing(self.local / name) as temporary:
                    files.get_file(f"{root}/{name}", str(temporary))
                    os.utime(temporary, ns=(1000 * marks[name][1],) * 2)
                    if _marks(temporary) != marks[name]:
                        raise OSError(f"{name} has {temporary.stat().st_size:,} bytes, expected {marks[name][0]:,}")

            with ThreadPoolExecutor(_THREADS) as pool:
                list(pool.map(copy, lacking))

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, str]]:
        """The file system, and the directory's path in it; what fails in the block is said with the address."""
        with needed_for("reading object storage"):
            import fsspec
        try:
            yield fsspec.url_to_fs(self.address)
        except ImportError as error:  # of which fsspec says how to mend it
            raise ModuleNotFoundError(f"{self.address}: {error}") from error
        except ValueError as error:
            raise ValueError(f"{self.address}: {error}") from error
        except Exception as error:  # of the system, and of each storage's own library
            raise OSError(f"{self.address} cannot be copied: {type(error).__name__}: {error}") from error


def _marks(path: Path) -> tuple[int, int] | None:
    """What a copy shares with its original: size in bytes, and time of change in microseconds."""
    if not path.is_file():
        return None
    found = path.stat()
    return found.st_size, found.st_mtime_ns // 1000


def _time(changed: Any) -> int:
    """Microseconds since 1970."""
    return round(changed.timestamp() * 1_000_000)
