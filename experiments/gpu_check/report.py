"""What a part found, as rows of one table and as JSON."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.gpu_check.jobs import NO_TIME

NO_TORCH = "torch or torchvision is not installed"
NARROW = "it has no narrow networks"
ALLOWED = {NO_TIME, NO_TORCH, NARROW}  # reasons to leave something out that are no fault
HEADER = ("part", "what", "result", "beside it", "holds")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """How large a check is: FULL for an accelerator, TOY to see on a CPU that everything runs.

    Attributes:
      networks: What takes part; None for each part's own choice.
      width: Factor on every number of channels.
      parity_pixels: Side of the images whose losses are compared.
      pixels: Side of the images that speed and memory are measured with.
      batch: Images a step; None for what fills an accelerator.
      seconds: What one measurement of speed takes at least.
      flags: Whether XLA's flags are tried.
      stand_in: Whether the device is a CPU, which shows that everything runs and nothing else.
    """

    networks: tuple[str, ...] | None = None
    width: float = 1.0
    parity_pixels: int = 64
    pixels: int = 224
    batch: int | None = None
    seconds: float = 0.7
    flags: bool = True
    stand_in: bool = False


FULL = Sizes()
TOY = Sizes(networks=("alexnet",), width=0.125, pixels=64, batch=4, seconds=0.1, flags=False, stand_in=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One finding.

    Attributes:
      what: What was measured.
      result: What came out, in words.
      beside: What it is to be compared with.
      holds: Whether it is as it must be; None where nothing is asserted.
      numbers: What came out, in numbers.
    """

    what: str
    result: str
    beside: str = ""
    holds: bool | None = None
    numbers: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Report:
    """The findings of a part, and what it left out, with the reason."""

    part: str
    rows: Sequence[Row]
    missing: Mapping[str, str]

    @property
    def holds(self) -> bool:
        """Whether nothing that was asserted failed, and nothing is missing for another reason than the allowed ones."""
        return all(row.holds is not False for row in self.rows) and set(self.missing.values()) <= ALLOWED

    def lines(self) -> Iterator[str]:
        """The rows of the table."""
        said = {True: "yes", False: "NO", None: ""}
        for row in self.rows:
            yield table_row((self.part, row.what, row.result, row.beside, said[row.holds]))
        for what, why in self.missing.items():
            yield table_row((self.part, what, "left out", why, "" if why in ALLOWED else said[False]))

    def write(self, path: Path, facts: Mapping[str, Any]) -> None:
        """The report as JSON, with what it was measured with."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**facts, **dataclasses.asdict(self)}, indent=1) + "\n")


def table_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
