"""The picture of what networks see in photographs."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnn_evolution.data.decoding import open_pillow
from experiments.figures import SKY, as_csv, save_figure

Answered = tuple[Path, Sequence[Mapping[str, Any]]]
"""A photograph and its most probable classes, each with `class` and `probability`."""

MOST = 60  # photographs that one picture can show
PIXELS = 400  # of a photograph's longer side


def check_plot(path: Path, photos: int) -> None:
    """Raises an error if a picture of so many photographs cannot be drawn, or its directory is not there.

    Raises:
      ValueError: Its name does not end in .png, or there are too many photographs.
      FileNotFoundError: There is no such directory.
    """
    if path.suffix != ".png":
        raise ValueError(f"--plot is {path}; expected the name of a .png, such as {path.with_suffix('.png')}")
    if photos > MOST:
        raise ValueError(f"--plot shows at most {MOST} photographs, and there are {photos}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--plot is {path}, but there is no directory {path.parent}")


def save_answers(answers: Sequence[Answered], networks: Sequence[str], path: Path) -> tuple[Path, ...]:
    """Writes the picture as .png and .svg, and a row for every answer's class as .csv.

    Returns:
      The three paths.
    """
    rows = [{"file": str(photo), **row} for photo, classes in answers for row in classes]
    return save_figure(lambda: draw(answers, networks), as_csv(rows), path.with_suffix(""))


def draw(answers: Sequence[Answered], networks: Sequence[str]) -> Figure:
    """Every photograph beside its answer, two in a row."""
    columns = min(2, len(answers))
    rows = math.ceil(len(answers) / columns)
    height = max(2.2, 0.4 * len(answers[0][1]))  # inches
    figure = Figure(figsize=(6.5 * columns, height * rows + 0.6), layout="constrained")
    figure.suptitle(f"Seen by {', '.join(networks)}", weight="bold")
    panels = figure.subplots(rows, 2 * columns, squeeze=False)
    for panel in panels.flat:
        panel.set_axis_off()
    for (left, right), (photo, classes) in zip(panels.reshape(-1, 2), answers, strict=False):
        image = open_pillow(photo.read_bytes(), upright=True)
        image.thumbnail((PIXELS, PIXELS))
        left.imshow(image)
        draw_classes(right, classes)
    return figure


def draw_classes(axes: Axes, classes: Sequence[Mapping[str, Any]]) -> None:
    """A bar for every class, the most probable at the top; its name starts on it."""
    axes.barh(range(len(classes)), [one["probability"] for one in classes], height=0.8, color=SKY)
    for y, one in enumerate(classes):
        axes.text(0.01, y, f"{one['class']}  {one['probability']:.0%}", va="center")
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
