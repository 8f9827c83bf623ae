"""Lists the architectures in order of history.

    python -m experiments.list_models
    python -m experiments.list_models "resnet*" --year 2015
    python -m experiments.list_models --family VGG | cut -f 3,4

A terminal gets a table, anything else tab-separated lines.
"""

import dataclasses
import sys

import tyro
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cnn_evolution import ModelSpec, list_models, model_info
from experiments import command_line

COLUMNS = ("year", "family", "name", "parameters", "MACs", "input", "paper")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Which architectures.

    Attributes:
      pattern: A shell pattern that the name must match, such as "resnet*".
      family: Only this family, for example ResNet.
      year: Only architectures first published in this year.
    """

    pattern: tyro.conf.Positional[str] = "*"
    family: str | None = None
    year: int | None = None


def main() -> None:
    arguments = tyro.cli(Arguments, prog="python -m experiments.list_models", description=__doc__)
    names = list_models(arguments.pattern, family=arguments.family, year=arguments.year)
    if not names:
        wanted = {name: value for name, value in dataclasses.asdict(arguments).items() if value is not None}
        every = list_models()
        raise ValueError(f"no architecture has {wanted}; there are {len(every)}, from {every[0]} to {every[-1]}")
    specs = [model_info(name) for name in names]
    if sys.stdout.isatty():
        Console().print(table(specs))
    else:
        print("\n".join("\t".join(map(str, row)) for row in [COLUMNS, *map(cells, specs)]))


def cells(spec: ModelSpec) -> tuple[int | str, ...]:
    """What a row states, in the order of `COLUMNS`."""
    return spec.year, spec.family, spec.name, spec.params, spec.macs, spec.input_size, spec.paper


def table(specs: list[ModelSpec]) -> Table:
    """For people: millions instead of every digit, and a line between the years."""
    result = Table(box=box.SIMPLE_HEAD, caption="M: millions, with 1000 classes and one image of the input's size")
    for column in COLUMNS:
        number = column in {"parameters", "MACs", "input"}
        result.add_column(column, justify="right" if number else "left", no_wrap=column != "paper")
    for i, spec in enumerate(specs):
        last_of_year = i + 1 == len(specs) or specs[i + 1].year != spec.year
        result.add_row(
            str(spec.year),
            spec.family,
            spec.name,
            f"{spec.params / 1e6:,.2f} M",
            f"{spec.macs / 1e6:,.0f} M",
            str(spec.input_size),
            escape(spec.paper),
            end_section=last_of_year,
        )
    return result


if __name__ == "__main__":
    command_line.run(main)
