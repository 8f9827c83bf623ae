"""The picture of what test protocols see of a photograph."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from cnn_evolution.data.transforms import resize_short
from cnn_evolution.evaluation.protocols import Box, CropProtocol
from experiments.figures import BLUE, GREY, ORANGE, SKY, as_csv, save_figure

ACROSS, DOWN = 14.0, 18.0  # inches that the photographs may take together
GAP, HEAD, TITLE = 0.25, 0.75, 1.1  # inches between panels, above a row of them, and above all
LEAST, LONGEST = 2.1, 12.0  # inches for a panel's title, and for a protocol in words
KEY = (
    "Blue: crops, each with a dot at its centre; the first is filled. Dashed: squares that are resized.\n"
    "A view and its mirror image share an outline."
)


def save_views(photo: Image.Image, name: str, protocols: Sequence[CropProtocol], path: Path) -> tuple[Path, ...]:
    """Writes the picture as .png and .svg, and a row for every view as .csv.

    Args:
      photo: In mode RGB.
      name: What it is called.
      protocols: One a row.
      path: Of the .png.

    Returns:
      The three paths.
    """
    rows = [
        {"protocol": str(protocol), **box._asdict()}
        for protocol in protocols
        for box in protocol.boxes(photo.height, photo.width)
    ]
    return save_figure(lambda: draw(photo, name, protocols), as_csv(rows), path.with_suffix(""))


def draw(photo: Image.Image, name: str, protocols: Sequence[CropProtocol]) -> Figure:
    """A row for every protocol, in it the photograph at every scale, all pixels of one size."""
    resized = [[resize_short(photo, scale) for scale in protocol.scales] for protocol in protocols]
    across = max(sum(image.width for image in row) for row in resized)
    down = sum(max(image.height for image in row) for row in resized)
    inch = max(across / ACROSS, down / DOWN)  # in pixels
    width = GAP + max(LONGEST, *(sum(max(image.width / inch, LEAST) + GAP for image in row) for row in resized))
    height = down / inch + len(protocols) * HEAD + TITLE + GAP
    figure = Figure(figsize=(width, height))
    figure.text(GAP / width, 1 - 0.2 / height, f"What test protocols see of {name}", va="top", size=16, weight="bold")
    figure.text(GAP / width, 1 - 0.55 / height, KEY, va="top", color=GREY)
    top = height - TITLE
    for protocol, images in zip(protocols, resized, strict=True):
        figure.text(GAP / width, (top - 0.2) / height, str(protocol), va="top", weight="bold")
        top -= HEAD
        left = GAP
        boxes = protocol.boxes(photo.height, photo.width)
        for scale, image in zip(protocol.scales, images, strict=True):
            size = image.width / inch, image.height / inch
            axes = figure.add_axes((left / width, (top - size[1]) / height, size[0] / width, size[1] / height))
            seen = [box for box in boxes if box.scale == scale]
            axes.imshow(image, extent=(0, image.width, image.height, 0), alpha=0.6)
            axes.set_axis_off()
            views = f"{len(seen)} view{'s' * (len(seen) > 1)}"
            axes.set_title(f"{image.width} x {image.height}: {views}", loc="left", size=11, color=GREY, pad=4)
            for box in dict.fromkeys(box._replace(mirrored=False) for box in seen):
                add_outline(axes, box, filled=box == seen[0])
            left += max(size[0], LEAST) + GAP
        top -= max(image.height for image in images) / inch
    return figure


def add_outline(axes: Axes, box: Box, *, filled: bool) -> None:
    """A crop with its centre, or dashed, a square that is resized."""
    if box.side != box.size:
        axes.add_patch(Rectangle((box.left, box.top), box.side, box.side, fill=False, color=ORANGE, ls="--", lw=2))
        return
    if filled:
        axes.add_patch(Rectangle((box.left, box.top), box.side, box.side, color=SKY, alpha=0.4, lw=0))
    axes.add_patch(Rectangle((box.left, box.top), box.side, box.side, fill=False, color=BLUE))
    axes.plot(box.left + box.side / 2, box.top + box.side / 2, ".", color=BLUE)
