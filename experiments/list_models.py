"""Lists the architectures in order of history.

    python -m experiments.list_models
    python -m experiments.list_models "resnet*" --year 2015
    python -m experiments.list_models --max-params 10 --max-macs 600     # millions
    python -m experiments.list_models --family VGG | cut -f 3,4
    python -m experiments.list_models --import my_networks "my_*"
    python -m experiments.list_models --markdown > docs/architectures.md

A terminal gets a table, anything else tab-separated lines. The top-5 error is the published one of the single network
on one central crop of ImageNet's validation images, in percent; sources are in cnn_evolution/history/.
"""

import dataclasses
import sys

import tyro
from rich.console import Console

from cnn_evolution import ModelSpec, list_models, model_info
from cnn_evolution.history import published_error
from experiments import command_line
from experiments.importing import Importing
from experiments.tables import Table, as_markdown, print_table

NOTE = (
    "Parameters and multiply-accumulates (MACs) in millions, without auxiliary classifiers; MACs of convolutions and "
    "fully connected layers for one image of the input's size, in pixels. Top-5 error in percent: published, one "
    "central crop of the 50,000 validation images; sources in cnn_evolution/history/published_errors.csv."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Importing):
    """Which architectures.

    Attributes:
      pattern: A shell pattern that the name must match, such as "resnet*".
      family: Only this family, for example ResNet.
      year: Only architectures first published in this year.
      max_params: Only those with at most so many parameters, in millions.
      max_macs: Only those with at most so many multiply-accumulates for one image, in millions.
      markdown: Print a page of Markdown, with how each deviates from its paper.
    """

    pattern: tyro.conf.Positional[str] = "*"
    family: str | None = None
    year: int | None = None
    max_params: float | None = None
    max_macs: float | None = None
    markdown: bool = False


def main() -> None:
    arguments = tyro.cli(
        Arguments, prog="python -m experiments.list_models", description=command_line.described(__doc__)
    )
    specs = selected(arguments)
    if arguments.markdown:
        print(page(specs), end="")
    elif sys.stdout.isatty():
        print_table(Console(), table(specs))
    else:
        rows = [exact(spec) for spec in specs]
        print("\n".join("\t".join(map(str, row)) for row in [list(rows[0]), *(row.values() for row in rows)]))


def selected(arguments: Arguments) -> list[ModelSpec]:
    """The entries that the command line asks for.

    Raises:
      ValueError: There are none.
    """
    specs = [
        spec
        for spec in map(model_info, list_models(arguments.pattern, family=arguments.family, year=arguments.year))
        if (arguments.max_params is None or spec.params <= 1e6 * arguments.max_params)
        and (arguments.max_macs is None or spec.macs <= 1e6 * arguments.max_macs)
    ]
    if not specs:
        asked = dataclasses.asdict(arguments)
        wanted = {name: value for name, value in asked.items() if value not in (None, False, ())}
        every = list_models()
        raise ValueError(f"no architecture has {wanted}; there are {len(every)}, from {every[0]} to {every[-1]}")
    return specs


def exact(spec: ModelSpec) -> dict[str, int | float | str]:
    """A row for programs: every digit, nothing where no error is published."""
    published = published_error(spec.name)
    error = published.top5_error if published else None
    return {
        "year": spec.year,
        "family": spec.family,
        "name": spec.name,
        "parameters": spec.params,
        "MACs": spec.macs,
        "input": spec.input_size,
        "top-5 error": "" if error is None else error,
        "paper": spec.paper,
    }


def rounded(spec: ModelSpec) -> dict[str, int | float | str]:
    """A row for people: millions."""
    row = exact(spec)
    error = row["top-5 error"]
    return row | {
        "parameters": f"{spec.params / 1e6:,.2f}",
        "MACs": f"{spec.macs / 1e6:,.0f}",
        "top-5 error": f"{error:.1f}" if isinstance(error, float) else "",
    }


def table(specs: list[ModelSpec]) -> Table:
    """The history as a table."""
    return Table("architectures", "The architectures, in order of history", [rounded(spec) for spec in specs], NOTE)


def page(specs: list[ModelSpec]) -> str:
    """The table as a page of Markdown, and below it how the networks deviate from their papers and from the zoos'."""
    by_text: dict[str, list[str]] = {}
    for spec in specs:
        if spec.deviations:
            by_text.setdefault(spec.deviations, []).append(f"`{spec.name}`")
    deviations = "\n".join(f"- {', '.join(names)}: {text}" for text, names in by_text.items())
    return f"{as_markdown(table(specs))}\n## Deviations\n\n{deviations}\n"


if __name__ == "__main__":
    command_line.run(main)
