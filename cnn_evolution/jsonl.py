"""Files of one JSON object per line, which only grow."""

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Appends one JSON object as one line; the line is on the disk whole, or not at all, when this ends.

    Raises:
      OSError: The disk is full or read-only; the file is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(record) + "\n").encode()
    with path.open("ab", buffering=0) as file:
        size = file.tell()
        try:
            written = file.write(line)
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise
        if written != len(line):
            file.truncate(size)
            raise OSError(errno.ENOSPC, "no space left for a line", str(path))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file that `append_line` wrote; none if there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
