"""Addresses of object storage (gs://bucket/x, s3://bucket/x, ...) where the path of a directory may be given."""

import re
from pathlib import Path

_ADDRESS = re.compile("([a-z][a-z0-9+.-]+):/+", re.IGNORECASE)  # a letter alone is a Windows drive
_COPYING = {
    "gs": "gcloud storage rsync --recursive {} {}",
    "s3": "aws s3 sync {} {}",
}


def address_of(path: Path | str) -> str | None:
    """The address, without a slash at its end; None for a path of a file system.

    `Path` makes one slash of two, so that `Path("gs://bucket")` is the address gs://bucket too.
    """
    text = str(path)
    if not (match := _ADDRESS.match(text)):
        return None
    return f"{match[1].lower()}://{text[match.end() :].rstrip('/')}"


def local_path(path: Path | str, what: str = "directory") -> Path:
    """The path of a file or directory that must lie in a file system.

    Raises:
      ValueError: It is an address; says how to copy between there and a directory.
    """
    if (address := address_of(path)) is None:
        return Path(path)
    raise ValueError(
        f"{what} {address} is an address; expected a path of a file system, local or shared by the hosts, since files "
        f"are locked, appended to and renamed there. Copy from storage before ({copying(address, 'DIRECTORY')}) or to "
        f"it afterwards ({copying('DIRECTORY', address)})"
    )


def copying(source: str, destination: str) -> str:
    """The command that copies a directory to or from storage, and leaves out what is there already."""
    scheme = next(one.partition("://")[0] for one in (source, destination) if "://" in one)
    return _COPYING.get(scheme, "rclone copy {} {}").format(source, destination)
