"""Hashes of files, compared with what is published of them: all their digits, or the first ones alone."""

import hashlib
from pathlib import Path
from typing import Literal

HashKind = Literal["sha256", "sha1"]


def file_hash(path: Path, kind: HashKind) -> str:
    """The hash of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def is_whole(digits: str, kind: HashKind) -> bool:
    """Whether these are all digits of a hash; a prefix shows damage, but not that a file is the one that is meant."""
    return len(digits) == 2 * hashlib.new(kind).digest_size


def in_words(digits: str, kind: HashKind) -> str:
    """What is published of a hash, in words, for messages."""
    return digits if is_whole(digits, kind) else f"one that begins with {digits}"
