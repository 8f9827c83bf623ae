"""Files of one JSON object per line, which only grow."""

import errno
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnn_evolution.files import write_whole

log = logging.getLogger(__name__)


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Appends one JSON object as one line; the line is on the disk whole, or not at all, when this ends.

    The rest of a line that was cut, by a power failure say, is removed first.

    Raises:
      OSError: The disk is full or read-only; the file is as it was.
      ValueError: A number is not finite, which JSON cannot hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(record, allow_nan=False) + "\n").encode()
    if _is_cut(path):
        content = path.read_bytes()
        log.warning("%s ends in half a line, which is removed: %s", path, content.split(b"\n")[-1][:80])
        write_whole(path, content[: content.rfind(b"\n") + 1])
    with path.open("ab", buffering=0) as file:
        size = file.tell()
        try:
            written = file.write(line)
            os.fsync(file.fileno())
        except OSError as error:
            file.truncate(size)
            raise OSError(error.errno, error.strerror, str(path)) from error
        if written != len(line):
            file.truncate(size)
            raise OSError(errno.ENOSPC, "no space left for a line", str(path))


def _is_cut(path: Path) -> bool:
    """Whether a file ends within a line."""
    if not path.exists() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file that `append_line` wrote; none if there is no file, and without a last line that was cut.

    Raises:
      ValueError: Another line is no JSON object; names the file and the line.
    """
    records = []
    content = path.read_bytes() if path.exists() else b""
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"line {number} of {path} is no JSON object: {line[:80]!r}") from error
    return records
