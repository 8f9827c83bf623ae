"""Weights that are files of installed packages, found without importing what the packages hold."""

import importlib.metadata
from pathlib import Path

from cnn_evolution.pretrained.hashes import HashKind, file_hash, in_words


def installed_file(package: str, file: str, *, kind: HashKind, digits: str) -> Path:
    """A file of an installed package, once its hash was found to agree with the published one.

    Args:
      package: The distribution's name on PyPI.
      file: Path from the directory into which the package is installed.
      kind: Algorithm of the published hash.
      digits: The published hash, or its first digits, in hexadecimal.

    Raises:
      ModuleNotFoundError: The package is not installed; says how to install it.
      OSError: It has no such file, or its file has another hash.
    """
    try:
        distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise ModuleNotFoundError(
            f"{Path(file).name} is in {package}, which is not installed: pip install {package}", name=package
        ) from error
    path = Path(str(distribution.locate_file(file)))
    repair = f"it is damaged or another version: pip install --force-reinstall {package}"
    if not path.is_file():
        raise OSError(f"{package} {distribution.version} is installed without {path}; {repair}")
    found = file_hash(path, kind)
    if not found.startswith(digits):
        raise OSError(
            f"{path} of {package} {distribution.version} has the {kind} {found}, but {in_words(digits, kind)} is "
            f"published; {repair}"
        )
    return path
