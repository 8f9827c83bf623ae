"""How long work tells what it has done."""

import contextlib
from collections.abc import Callable, Iterator

Report = Callable[[int], None]
"""Told how much more is done."""

Reporter = Callable[[str, int, int], contextlib.AbstractContextManager[Report]]
"""Opens a report by what is counted, how many there are (0 where that is not known), and how many are done already."""


@contextlib.contextmanager
def silent(counted: str, total: int, done: int) -> Iterator[Report]:
    """A reporter that says nothing."""
    yield lambda more: None
