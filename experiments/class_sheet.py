"""One image of every class of a data set, side by side.

    python -m experiments.class_sheet
    python -m experiments.class_sheet --split cue_conflict --label shape --output conflicts.jpg

Shows the first image of each class in the split.
"""

import dataclasses
import math
from pathlib import Path

import tyro
from PIL import Image, ImageOps

from cnn_evolution.data import open_source
from cnn_evolution.data.decoding import Encoded, open_pillow
from experiments import command_line

GAP = 2  # pixels between two images


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """A sheet of images.

    Attributes:
      dataset: Name of a data set, as for `experiments.train`.
      split: Its split.
      label: Which of its labels tells the classes apart.
      data_dir: Where prepared data sets lie; None for the default place.
      columns: Images in a row; None makes the sheet square.
      size: Side of each image on the sheet, in pixels; the central square is shown.
      output: The picture; its suffix says which kind.
    """

    dataset: str = "mini_ilsvrc"
    split: str = "train"
    label: str = "label"
    data_dir: Path | None = None
    columns: int | None = None
    size: int = 80
    output: Path = Path("classes.jpg")


def main() -> None:
    arguments = tyro.cli(
        Arguments, prog="python -m experiments.class_sheet", description=command_line.described(__doc__)
    )
    source = open_source(arguments.dataset, arguments.split, data_dir=arguments.data_dir, label=arguments.label)
    first: dict[int, Encoded] = {}
    for index in range(len(source)):
        data, label = source.records[index]
        first.setdefault(label, data)
        if len(first) == source.num_classes:
            break
    columns = arguments.columns or math.ceil(math.sqrt(len(first)))
    rows = math.ceil(len(first) / columns)
    step = arguments.size + GAP
    sheet = Image.new("RGB", (columns * step - GAP, rows * step - GAP), "white")
    for place, label in enumerate(sorted(first)):
        image = open_pillow(first[label])
        row, column = divmod(place, columns)
        sheet.paste(ImageOps.fit(image, (arguments.size, arguments.size)), (column * step, row * step))
    sheet.save(arguments.output)
    print(f"{len(first)} classes of {source.name}, split {source.split}: {arguments.output}")


if __name__ == "__main__":
    command_line.run(main)
