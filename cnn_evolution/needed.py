"""Packages that are imported when they are used, and what is said where one is missing."""

import contextlib
from collections.abc import Iterator

_DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl-py",
    "orbax": "orbax-checkpoint",
    "tensorflow_datasets": "tensorflow-datasets",
}


@contextlib.contextmanager
def needed_for(purpose: str) -> Iterator[None]:
    """Within the block, a package that is not installed is an error that says how to install it.

    Args:
      purpose: What it is needed for, in words.

    Raises:
      ModuleNotFoundError: A package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module in ("", __package__):
            raise
        distribution = _DISTRIBUTIONS.get(module, module)
        raise ModuleNotFoundError(
            f"{purpose} needs {distribution}, which is not installed: pip install {distribution}", name=error.name
        ) from error
