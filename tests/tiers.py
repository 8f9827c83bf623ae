"""Two tiers of tests: what README's command runs while one waits, and the exhaustive rest.

`python -m pytest` leaves out what is marked `exhaustive`; `python -m pytest -m exhaustive` runs that alone, and
`python -m pytest -m ""` everything.
"""

from collections.abc import Iterable
from typing import Any

import pytest

exhaustive = pytest.mark.exhaustive

# The networks that are waited for: of different kinds, and quick to trace and to compile.
WAITED_FOR = ("alexnet", "resnet18", "cifar_resnet20", "se_resnet18", "mobilenet_v1_0_25", "squeezenet1_1")


def tiered(names: Iterable[str], waited_for: Iterable[str] = WAITED_FOR) -> list[Any]:
    """The names as parameters of a test, those that are not waited for with the mark `exhaustive`."""
    return [name if name in waited_for else pytest.param(name, marks=exhaustive) for name in names]
