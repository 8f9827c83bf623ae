"""Tables for the terminal, for other programs and for documents."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from cnn_evolution.files import write_whole
from experiments.figures import as_csv


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of one shape.

    Attributes:
      name: The stem of its files' names.
      title: What it shows.
      rows: Each with the same keys, which are the columns' heads.
      note: What one must know to read it.
      wide: Columns that are for the files only, because a terminal is too narrow for them.
    """

    name: str
    title: str
    rows: Sequence[Mapping[str, object]]
    note: str
    wide: tuple[str, ...] = ()


def print_table(console: Console, table: Table) -> None:
    """Numbers to the right, words to the left."""
    drawn = RichTable(box=box.SIMPLE_HEAD, title=table.title, caption=table.note, title_justify="left")
    columns = [column for column in table.rows[0] if column not in table.wide]
    for column in columns:
        number = all(isinstance(row[column], int | float) for row in table.rows if row[column] != "")
        drawn.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(escape(_cell(row[column])) for column in columns))
    console.print(drawn)


def save_table(table: Table, directory: Path) -> tuple[Path, Path]:
    """Writes the table as .csv and .md; returns the two paths."""
    numbers, document = directory / f"{table.name}.csv", directory / f"{table.name}.md"
    write_whole(numbers, as_csv(table.rows).encode())
    write_whole(document, as_markdown(table).encode())
    return numbers, document


def as_markdown(table: Table) -> str:
    """The table with its title and note."""
    columns = list(table.rows[0])
    lines = [columns, ["---"] * len(columns), *([_cell(value) for value in row.values()] for row in table.rows)]
    rows = ("| " + " | ".join(str(cell).strip().replace("|", r"\|") for cell in line) + " |" for line in lines)
    return f"# {table.title}\n\n" + "\n".join(rows) + f"\n\n{table.note}\n"


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)
