"""What every figure shares: colours that people with any colour vision can tell apart, type, and files."""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from cnn_evolution.files import write_whole

# From the palette of Okabe and Ito, which people with any colour vision can tell apart.
ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#555555"

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the picture is the same everywhere
    "font.size": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",  # words stay words, which can be searched and read aloud
    "svg.hashsalt": "cnn_evolution",  # the same file for the same numbers
}
DPI = 150


def as_csv(rows: Sequence[Mapping[str, object]], columns: Sequence[str] | None = None) -> str:
    """Rows under their columns, by default the first row's keys; what a row lacks stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def save_figure(draw: Callable[[], Figure], table: str, path_stem: Path) -> tuple[Path, ...]:
    """Writes what `draw` draws as `path_stem` + .png and .svg, and its numbers beside it as .csv.

    Returns:
      The three paths: .png, .svg and .csv.
    """
    png, svg, numbers = (path_stem.with_name(f"{path_stem.name}.{suffix}") for suffix in ("png", "svg", "csv"))
    contents = {numbers: table.encode()}
    with matplotlib.rc_context(STYLE):
        figure = draw()
        for path in (png, svg):
            drawing = io.BytesIO()
            # The date and the version would make every file different.
            metadata = {"Date": None} if path == svg else {"Software": None}
            figure.savefig(drawing, format=path.suffix[1:], dpi=DPI, metadata=metadata)
            contents[path] = drawing.getvalue() if path == png else _numbered(drawing.getvalue())
    for path, content in contents.items():
        write_whole(path, content)
    return png, svg, numbers


def _numbered(svg: bytes) -> bytes:
    """With ids by their order: matplotlib derives those of clipping paths from addresses in memory."""
    pattern = rb'(?<=[#"])([a-z])[0-9a-f]{10}(?=[)"])'
    numbers: dict[bytes, int] = {}
    return re.sub(pattern, lambda found: b"%s%d" % (found[1], numbers.setdefault(found[0], len(numbers))), svg)
