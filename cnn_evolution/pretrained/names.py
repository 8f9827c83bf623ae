"""The language of the tables that translate names of layers.

A table has a line for every kind of layer: our name, the peer's name and, where the shape needs one, a rule.

    stage{s}_block{b}/conv{n}     layer{s}.{b-1}.conv{n}
    attention/squeeze             se_module.fc1             1x1

`{b}` stands for letters and digits, `{b-1}` for the number less one, `{b+1}` for the number and one. The first line
that fits a layer holds; a name may also be that of a single array.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn

PLACEHOLDER = re.compile(r"\{(\w+?)([+-]\d+)?\}")


@dataclasses.dataclass(frozen=True)
class Names:
    """How a zoo names the layers of a family.

    Attributes:
      lines: The table, or a function from a network to its table, for zoos that number all layers through.
      renamed: Regular expressions and replacements that bring keys of the zoo's older files up to date.
    """

    lines: str | Callable[[Any], str]
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def table(self, model: nn.Module) -> list["Line"]:
        """The lines for a network."""
        return parse(self.lines if isinstance(self.lines, str) else self.lines(model))

    def present(self, key: str) -> str:
        """A key as the zoo's present code spells it."""
        for pattern, replacement in self.renamed.items():
            key = re.sub(pattern, replacement, key)
        return key


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a table: `ours` as a regular expression, `theirs` as a template, the rule for the shape."""

    ours: re.Pattern[str]
    theirs: str
    rule: str


def parse(table: str) -> list[Line]:
    """The lines of a table; empty ones and comments (`#`) are skipped."""
    rows = [line.split("#")[0].split() for line in table.splitlines()]
    return [Line(_pattern(row[0]), row[1], row[2] if len(row) > 2 else "") for row in rows if row]


def _pattern(ours: str) -> re.Pattern[str]:
    pieces, end, seen = [], 0, set()
    for match in PLACEHOLDER.finditer(ours):
        name = match[1]
        pieces += [
            re.escape(ours[end : match.start()]),
            f"(?P={name})" if name in seen else f"(?P<{name}>[A-Za-z0-9]+)",
        ]
        seen.add(name)
        end = match.end()
    return re.compile("".join(pieces) + re.escape(ours[end:]))


def translate(lines: list[Line], layer: str) -> tuple[str, str] | None:
    """The peer's name of a layer and the rule for its shape; None if no line fits."""
    for line in lines:
        if match := line.ours.fullmatch(layer):
            return PLACEHOLDER.sub(functools.partial(_filled, match), line.theirs), line.rule
    return None


def _filled(layer: re.Match[str], hole: re.Match[str]) -> str:
    value = layer[hole[1]]
    return str(int(value) + int(hole[2])) if hole[2] else value
