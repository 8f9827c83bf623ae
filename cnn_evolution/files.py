"""Where files are kept, how they are written whole or not at all, and the tables that lie within the package."""

import contextlib
import csv
import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path


def cache_dir(variable: str, *parts: str) -> Path:
    """The directory that an environment variable names, or else `parts` under ~/.cache/cnn_evolution."""
    named = os.environ.get(variable)
    return Path(named).expanduser() if named else Path("~/.cache/cnn_evolution", *parts).expanduser()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; once the block has ended without an error, the file is `path`.

    Raises:
      OSError: It cannot be written; what was at `path` stays as it was.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:  # of which those for lack of space name no file, and others the temporary one
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """All of it or nothing, on a full disk too.

    Raises:
      OSError: As `replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def existing(directory: Path) -> Path:
    """The directory, or the nearest one above it that is there."""
    return next(path for path in (directory.absolute(), *directory.absolute().parents) if path.exists())


@contextlib.contextmanager
def only_one(lock: Path, does: str) -> Iterator[None]:
    """Holds a lock until the block ends, or the process; its directory is made if need be.

    Args:
      lock: A file.
      does: What the process that holds it does in its directory, in words.

    Raises:
      OSError: Another process holds it.
    """
    from filelock import FileLock, Timeout

    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout as error:
        raise OSError(f"another process {does} in {lock.parent}; wait for it, or choose another directory") from error


def table_rows(package: str, name: str) -> list[dict[str, str]]:
    """The rows of a CSV file within a package, by the heads of their columns."""
    text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
