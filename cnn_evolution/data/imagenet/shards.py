"""Record files written once each: what was killed goes on with those that are missing."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_evolution.data.imagenet.reports import Reporter
from cnn_evolution.files import existing, only_one, replacing
from cnn_evolution.jsonl import append_line, read_lines
from cnn_evolution.needed import needed_for

LEDGER = "preparation.jsonl"


@dataclass(frozen=True)
class Shard:
    """An ArrayRecord file to be.

    Attributes:
        path: Where it will lie.
        length: Its number of records.
        records: Makes them.
    """

    path: Path
    length: int
    records: Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Ledger:
    """Which shards of a directory are finished, one a line; the first line says what they are made from.

    Attributes:
        path: The file.
        origin: What decides their content, as JSON knows it.
    """

    path: Path
    origin: Mapping[str, Any]

    def begun(self) -> bool:
        """Whether shards of this origin have been begun.

        Raises:
            ValueError: They were begun from another one.
        """
        lines = read_lines(self.path)
        if lines and lines[0] != self.origin:
            keys = sorted(lines[0].keys() | self.origin.keys())
            differing = [key for key in keys if lines[0].get(key) != self.origin.get(key)]
            raise ValueError(
                f"{self.path.parent} was begun from something else: {', '.join(differing)} differ; give the same tar "
                "files and options, or delete it to begin anew"
            )
        return bool(lines)

    def begin(self) -> None:
        append_line(self.path, self.origin)

    def finished(self) -> dict[str, int]:
        """The bytes of all records of each finished shard, by its file name; a file of another size does not count."""
        lines = read_lines(self.path)[1:]
        return {line["file"]: line["bytes"] for line in lines if _size(self.path.parent / line["file"]) == line["size"]}

    def add(self, path: Path, record_bytes: int) -> None:
        append_line(self.path, {"file": path.name, "size": _size(path), "bytes": record_bytes})


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.exists() else None


def write_shards(
    shards: Sequence[Shard], ledger: Ledger, counted: str, reporter: Reporter, threads: int = 1
) -> list[int]:
    """Writes those that are missing, each whole or not at all, and returns the bytes of the records of each.

    Args:
        shards: In the directory of the ledger.
        ledger: Begun; knows which are finished, and is told.
        counted: What the records are, in words.
        reporter: Opens a report on the records.
        threads: How many are written at once.

    Raises:
        ValueError: A shard has another number of records than it should; or what its records raise.
        OSError: It cannot be written.
    """
    for abandoned in ledger.path.parent.glob("*.array_record-*.tmp"):
        abandoned.unlink()
    finished = ledger.finished()
    done = sum(shard.length for shard in shards if shard.path.name in finished)
    pool = ThreadPoolExecutor(threads)
    try:
        writing: dict[Future[int], Shard] = {
            pool.submit(_write, shard): shard for shard in shards if shard.path.name not in finished
        }
        with reporter(counted, sum(shard.length for shard in shards), done) as report:
            for future in as_completed(writing):
                shard = writing[future]
                finished[shard.path.name] = future.result()
                ledger.add(shard.path, future.result())
                report(shard.length)
    finally:
        pool.shutdown(cancel_futures=True)
    return [finished[shard.path.name] for shard in shards]


def _write(shard: Shard) -> int:
    """Returns the bytes of its records."""
    with needed_for("writing record files"):
        from tensorflow_datasets.core.file_adapters import ArrayRecordFileAdapter

    sizes = []

    def keyed() -> Iterator[tuple[None, bytes]]:  # TFDS writes pairs, whose keys these files do not hold
        for record in shard.records():
            sizes.append(len(record))
            yield None, record

    with replacing(shard.path) as temporary:
        try:
            ArrayRecordFileAdapter.write_examples(os.fspath(temporary), keyed())
        except RuntimeError as error:  # as array_record calls a full disk
            raise OSError(str(error)) from error
        if len(sizes) != shard.length:
            raise ValueError(f"{shard.path.name} has {len(sizes):,} records, expected {shard.length:,}")
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # before the ledger names it
    return sum(sizes)


def too_little_room(directory: Path, needed: int) -> list[str]:
    """A sentence if fewer bytes are free where a directory is or will be."""
    free = shutil.disk_usage(existing(directory)).free
    return [f"{directory} has room for {free:,} bytes, expected {needed:,}"] if free < needed else []


def alone(directory: Path) -> contextlib.AbstractContextManager[None]:
    """Keeps other processes from writing to a directory, which is made.

    Raises:
        OSError: When it is entered: one does.
    """
    return only_one(directory / ".lock", "writes")
