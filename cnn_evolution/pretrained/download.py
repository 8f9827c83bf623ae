"""Downloads that have the published hash, as far as it is published, or are not there.

A download goes to `NAME.part`, which only one process at a time may touch; what a cut, a stall or a kill leaves of it
is where the next attempt goes on. It gets its name only after its hash was found to be the published one, or to begin
with the published digits where these are a prefix.
"""

import contextlib
import http.client
import logging
import os
import re
import shutil
import sys
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from cnn_evolution.files import cache_dir
from cnn_evolution.pretrained.files import only_member
from cnn_evolution.pretrained.hashes import HashKind, file_hash, in_words

_CHUNK = 1 << 20  # bytes
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # HTTP errors that may be gone at the next attempt
_log = logging.getLogger(__name__)


class _Cut(Exception):
    """The server or the network ended an attempt; what came is kept."""


def default_weights_dir() -> Path:
    """$CNN_EVOLUTION_WEIGHTS, or ~/.cache/cnn_evolution/weights."""
    return cache_dir("CNN_EVOLUTION_WEIGHTS", "weights")


def download(
    url: str,
    *,
    kind: HashKind,
    digits: str,
    directory: Path | str | None = None,
    attempts: int = 5,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> Path:
    """The file at `url`, from `directory` if it is there already.

    Of an address that ends in `.zip` the one `.pth` file inside is what is hashed and kept.

    Args:
      url: Where it is published.
      kind: Algorithm of the published hash.
      digits: The published hash, or its first digits, in hexadecimal.
      directory: Where downloads are kept; None for `default_weights_dir()`.
      attempts: How often in a row to try without getting any further.
      timeout: Seconds without a byte after which an attempt counts as stalled.
      pause: Seconds before the second attempt; doubled each time, up to 30.

    Raises:
      OSError: It cannot be had, or what came has another hash; nothing is kept of that.
    """
    directory = Path(directory).expanduser() if directory is not None else default_weights_dir()
    name = unquote(Path(urlsplit(url).path).name)
    path = directory / name.removesuffix(".zip")
    if path.exists() and file_hash(path, kind).startswith(digits):
        return path
    directory.mkdir(parents=True, exist_ok=True)
    with _alone_with(directory / f"{name}.part", path) as part:
        if path.exists():
            found = file_hash(path, kind)
            if found.startswith(digits):  # another process brought it while this one waited
                return path
            _log.warning(
                "%s is damaged (%s %s, expected %s): downloading it again", path, kind, found, in_words(digits, kind)
            )
            path.unlink()
        resumed = _fetch(url, part, attempts, timeout, pause)
        wrong = _finish(part, path, kind, digits)
        if wrong is not None and resumed:
            _log.warning("what an earlier download of %s had left does not fit its rest: starting anew", name)
            part.truncate(0)
            _fetch(url, part, attempts, timeout, pause)
            wrong = _finish(part, path, kind, digits)
        if wrong is not None:
            part.truncate(0)
            raise OSError(
                f"{url} came with the {kind} {wrong}, but {in_words(digits, kind)} is published: it was removed"
            )
    return path


@contextlib.contextmanager
def _alone_with(part: Path, path: Path) -> Iterator[BinaryIO]:
    """Opens an unfinished download for this process alone, once others have left it; removes it if `path` is there."""
    try:
        import fcntl
    except ModuleNotFoundError as error:  # as on Windows, where all but downloads works
        raise ModuleNotFoundError(
            f"downloading {path.name} needs Unix's file locks (fcntl); download it by other means and give its path",
            name=error.name,
        ) from error

    while True:
        with part.open("ab+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _log.warning("another process is downloading %s: waiting for it", path.name)
                fcntl.flock(file, fcntl.LOCK_EX)
            if _still_there(file, part):  # else the other has finished meanwhile, and this is what it has removed
                try:
                    yield file
                finally:
                    if path.exists() or os.fstat(file.fileno()).st_size == 0:
                        part.unlink(missing_ok=True)
                return


def _still_there(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _fetch(url: str, part: BinaryIO, attempts: int, timeout: float, pause: float) -> bool:
    """Completes `part`, open for appending; returns whether some of it was from an earlier call."""
    resumed = furthest = part.seek(0, os.SEEK_END)
    version: str | None = None  # what the server calls the file that `part` is of
    failures = 0
    with _progress(unquote(Path(urlsplit(url).path).name)) as report:
        while True:
            try:
                response = _request(url, part, version, timeout)
                if response is not None:
                    with response:
                        version = response.headers.get("ETag") or response.headers.get("Last-Modified")
                        _receive(response, part, report)
                part.flush()
                os.fsync(part.fileno())
                return bool(resumed)
            except _Cut as cut:
                reached = part.seek(0, os.SEEK_END)
                failures = 1 if reached > furthest else failures + 1
                furthest = max(furthest, reached)
                if failures >= attempts:
                    raise OSError(
                        f"cannot download {url}: {cut} ({attempts} attempts). The next call goes on from what came; or "
                        "download it otherwise and give the file as path"
                    ) from cut
                _log.warning("%s: %s; trying again", url, cut)
                time.sleep(min(pause * 2 ** (failures - 1), 30.0))


def _request(url: str, part: BinaryIO, version: str | None, timeout: float) -> http.client.HTTPResponse | None:
    """Asks for what `part` lacks, if the server still has that version; None if it lacks nothing.

    A server that cannot continue answers with the whole file, for which `part` is emptied.
    """
    offset = part.seek(0, os.SEEK_END)
    headers = {"User-Agent": "cnn_evolution"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if version is not None:
            headers["If-Range"] = version
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416 and offset:  # nothing comes after what is here
            if error.headers.get("Content-Range", "").endswith(f"/{offset}"):
                return None
            part.truncate(0)
            raise _Cut("the server has another file than before") from error
        if error.code in _PASSING:
            raise _Cut(f"HTTP error {error.code} {error.reason}") from error
        raise OSError(
            f"cannot download {url}: HTTP error {error.code} {error.reason}; download it otherwise and give the file "
            "as path"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(_reason(error)) from error
    if offset and _range_start(response.headers.get("Content-Range")) != offset:
        part.truncate(0)
    return response


def _receive(response: http.client.HTTPResponse, part: BinaryIO, report: Callable[[int, int | None], None]) -> None:
    """Appends an answer's body to `part`."""
    offset = part.seek(0, os.SEEK_END)
    length = response.headers.get("Content-Length")
    size = offset + int(length) if length is not None else None
    for chunk in _chunks(response):
        part.write(chunk)
        offset += len(chunk)
        report(offset, size)
    if size is not None and offset < size:
        raise _Cut(f"cut after {offset:,} of {size:,} bytes")


def _range_start(content_range: str | None) -> int | None:
    """The first byte of a partial answer; None of an answer that is the whole file."""
    match = re.match(r"bytes (\d+)-", content_range or "")
    return int(match[1]) if match else None


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _Cut(_reason(error)) from error
        if not chunk:
            return
        yield chunk


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return "no answer in time" if isinstance(cause, TimeoutError) else str(cause) or type(cause).__name__


def _finish(part: BinaryIO, path: Path, kind: HashKind, digits: str) -> str | None:
    """Moves a complete download to `path` if its hash is the published one; returns the hash if it is not."""
    if not part.name.endswith(".zip.part"):
        found = file_hash(Path(part.name), kind)
        if found.startswith(digits):
            os.replace(part.name, path)
            return None
        return found
    extracted = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(part.name) as archive, extracted.open("wb") as target:
            shutil.copyfileobj(archive.open(only_member(archive)), target, _CHUNK)
            target.flush()
            os.fsync(target.fileno())
        found = file_hash(extracted, kind)
        if found.startswith(digits):
            os.replace(extracted, path)
            return None
        return found
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError):
        return f"{file_hash(Path(part.name), kind)} (of an archive that cannot be opened)"
    finally:
        extracted.unlink(missing_ok=True)


@contextlib.contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """What shows how far a download is: a bar on a terminal, elsewhere a line at its beginning and its end."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(TextColumn("{task.description}"), *columns, console=console) as bar:
            task = bar.add_task(name, total=None)
            yield lambda done, size: bar.update(task, completed=done, total=size)
        return
    done_bytes = 0

    def count(done: int, size: int | None) -> None:
        nonlocal done_bytes
        if not done_bytes:
            print(f"downloading {name} ({size:,} bytes)" if size else f"downloading {name}", file=sys.stderr)
        done_bytes = done

    yield count
    if done_bytes:
        print(f"downloaded {name} ({done_bytes:,} bytes)", file=sys.stderr)
