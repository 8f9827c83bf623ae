"""What the first layer looks for, and what every stage makes of an image.

    python -m experiments.filters
    python -m experiments.filters --run runs/mini-resnet18
    python -m experiments.filters alexnet_owt --weights alexnet-owt-7be5be79.safetensors --source torchvision
    python -m experiments.filters vgg16 --pretrained --image cat.jpg --endpoints pool1 pool3 pool5

The weights come from a trained run's checkpoint, from a file of PyTorch's weights, from a zoo (downloaded on first
use), or, without any of these, from a short training on the embedded data set. Two pictures are drawn, as PNG and SVG
with the numbers beside them: the first convolution's filters, each stretched to full contrast by itself, as the lecture
shows AlexNet's; and the feature maps of one image, the channels with the strongest response of every endpoint.

A short training moves the first layer's weights by a fraction of the random numbers that they start from, which hide
what was learned. After one, and with `--show change`, the picture is of the difference.
"""

import dataclasses
from pathlib import Path
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_evolution.analysis.filters import chosen_maps, first_filters, stretched, tiled
from cnn_evolution.data import open_source
from cnn_evolution.data.decoding import Encoded, open_pillow
from cnn_evolution.evaluation.classifier import Classifier
from cnn_evolution.evaluation.pretrained import pretrained_classifier
from cnn_evolution.models import features
from cnn_evolution.pixels import normalise
from cnn_evolution.recipes import load_run, mini_recipe, train
from cnn_evolution.training.fit import as_classifier, initial_state
from experiments import command_line
from experiments.compilation_cache import Compiling
from experiments.figures import GREY, as_csv, save_figure

COLUMNS = 8  # maps of an endpoint


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Compiling):
    """Whose filters.

    Attributes:
      name: A name in the catalogue; not needed for a run.
      run: Directory of a trained run, whose newest checkpoint is read.
      weights: File of PyTorch's weights (.safetensors, .npz, or .pth where torch is installed).
      pretrained: Take a zoo's weights, downloaded on first use.
      source: The zoo; None for the first that has weights of this network. A file needs it.
      show: "weights", or "change": what training added to the weights that it started from; None for the change after a
        short training and for the weights otherwise.
      epochs: Passes over the embedded data set, where there are no weights.
      image: Whose feature maps are drawn; None for the first validation image of the embedded data set.
      endpoints: Which of the network's endpoints are drawn; none named for all that are maps.
      data_dir: Where prepared data sets lie; None for the default place.
      output_dir: Where the pictures go.
    """

    name: tyro.conf.Positional[str] = "alexnet"
    run: Path | None = None
    weights: Path | None = None
    pretrained: bool = False
    source: str | None = None
    show: Literal["weights", "change"] | None = None
    epochs: float = 1.0
    image: Path | None = None
    endpoints: tuple[str, ...] = ()
    data_dir: Path | None = None
    output_dir: Path = Path("runs/filters")


def main() -> None:
    arguments = tyro.cli(Arguments, prog="python -m experiments.filters", description=command_line.described(__doc__))
    arguments.keep_programs()
    if arguments.image is not None and not arguments.image.is_file():
        raise FileNotFoundError(f"there is no image {arguments.image}")
    network = trained_network(arguments)
    classifier, name, origin = network.classifier, network.classifier.name, network.origin
    path, filters = first_filters(classifier.model, classifier.variables, classifier.crop.size)
    what = "weights"
    if (arguments.show or network.show) == "change":
        if network.start is None:
            raise ValueError(f"{origin}: the weights that they started from are not known; only weights can be shown")
        filters = filters - first_filters(classifier.model, network.start, classifier.crop.size)[1]
        what = "change since the random start"
    image = classifier.crop(open_pillow(read_image(arguments)))
    maps = chosen_maps(
        features(classifier.model, classifier.variables, normalise(jnp.asarray(image[None]), *classifier.pixels)),
        arguments.endpoints,
    )
    strongest = {endpoint: x[np.argsort(-x.mean((1, 2)), kind="stable")[:COLUMNS]] for endpoint, x in maps.items()}
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    drawn = save_figure(
        lambda: draw_filters(filters, f"{name}: {path.removesuffix('/kernel')}", f"{what}; {origin}"),
        filter_table(filters),
        arguments.output_dir / f"{name}_filters",
    )
    shown = save_figure(
        lambda: draw_maps(image, maps, strongest, name, origin),
        map_table(strongest),
        arguments.output_dir / f"{name}_maps",
    )
    print(drawn[0], shown[0], sep="\n")


@dataclasses.dataclass(frozen=True)
class Network:
    """A network with its weights.

    Attributes:
      classifier: The network, its weights and how its images are prepared.
      origin: Where the weights come from, in words.
      start: What training started from; None if that is not known.
      show: What is worth showing of the first layer: "weights" or "change".
    """

    classifier: Classifier
    origin: str
    start: Any = None
    show: str = "weights"


def trained_network(arguments: Arguments) -> Network:
    """The network that the arguments ask for, trained if need be."""
    if arguments.run is not None:
        task, state = load_run(arguments.run, data_dir=arguments.data_dir, start=True)
        origin = f"trained on {task.train.name} ({arguments.run.name})"
        return Network(as_classifier(task, state, {}), origin, initial_state(task).variables())
    if arguments.pretrained or arguments.weights is not None:
        network = pretrained_classifier(arguments.name, source=arguments.source, path=arguments.weights)
        return Network(network, f"{network.config['pretrained']['source']}'s weights")
    recipe = dataclasses.replace(mini_recipe(arguments.name), epochs=arguments.epochs)
    directory = arguments.output_dir / f"mini-{arguments.name}-{arguments.epochs:g}"
    train(recipe, directory, data_dir=arguments.data_dir)
    task, state = load_run(directory, data_dir=arguments.data_dir)
    origin = f"trained on {task.train.name}, epochs: {arguments.epochs:g}"
    return Network(as_classifier(task, state, {}), origin, initial_state(task).variables(), "change")


def read_image(arguments: Arguments) -> Encoded:
    """The image whose maps are drawn."""
    if arguments.image is not None:
        return arguments.image.read_bytes()
    return open_source("mini_ilsvrc", "validation", data_dir=arguments.data_dir).records[0][0]


def draw_filters(filters: NDArray[np.float32], title: str, subtitle: str) -> Figure:
    """All filters on one sheet."""
    number, height, width, _ = filters.shape
    sheet = tiled(stretched(filters), enlarge=max(1, 44 // max(height, width)), gap=4)
    inches = 9.0
    figure = Figure(figsize=(inches, inches * sheet.shape[0] / sheet.shape[1] + 1.1), layout="constrained")
    axes = figure.subplots()
    axes.imshow(sheet, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title, loc="left", fontsize=16, weight="bold", pad=42)
    axes.annotate(
        f"{number} filters of {height} x {width} pixels, each stretched to full contrast\n{subtitle}",
        (0, 1),
        (0, 10),
        xycoords="axes fraction",
        textcoords="offset points",
        color=GREY,
        fontsize=11,
    )
    return figure


def draw_maps(
    image: NDArray[np.uint8],
    maps: dict[str, NDArray[np.float32]],
    strongest: dict[str, NDArray[np.float32]],
    name: str,
    origin: str,
) -> Figure:
    """The image, and a row of maps per endpoint."""
    side, left, above = 1.2, 2.0, 0.7  # inches: a tile, the names, the title
    rows = len(strongest) + 1
    width, height = left + side * COLUMNS, above + side * rows
    figure = Figure(figsize=(width, height))
    panels = figure.subplots(
        rows,
        COLUMNS,
        squeeze=False,
        gridspec_kw={
            "left": left / width,
            "right": 1 - 0.1 / width,
            "bottom": 0.1 / height,
            "top": 1 - above / height,
            "wspace": 0.06,
            "hspace": 0.06,
        },
    )
    for panel in panels.flat:
        panel.set_axis_off()
    panels[0, 0].imshow(image)
    _head(panels[0, 0], "image", f"{image.shape[0]} x {image.shape[1]}")
    for row, (endpoint, chosen) in zip(panels[1:], strongest.items(), strict=True):
        channels, rows_of_map, columns_of_map = maps[endpoint].shape
        _head(row[0], endpoint, f"{rows_of_map} x {columns_of_map} x {channels}")
        for panel, picture in zip(row, stretched(chosen), strict=False):
            panel.imshow(picture, cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
    figure.text(
        0.1 / width,
        1 - 0.15 / height,
        f"{name}: what its layers make of one image",
        va="top",
        fontsize=16,
        weight="bold",
    )
    panels[0, 1].annotate(
        f"Per endpoint the {COLUMNS} channels with the strongest mean response, strongest first,\n"
        f"each stretched from dark (least) to bright (most).\n{origin[0].upper()}{origin[1:]}.",
        (0.1, 0.5),
        xycoords="axes fraction",
        va="center",
        color=GREY,
    )
    return figure


def _head(panel: Axes, title: str, subtitle: str) -> None:
    panel.annotate(
        f"{title}\n{subtitle}",
        (0, 0.5),
        (-8, 0),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="center",
    )


def filter_table(filters: NDArray[np.float32]) -> str:
    """A row per filter, row, column and channel of the image, not stretched."""
    return as_csv(
        [
            {"filter": n, "row": y, "column": x, "channel": "RGB"[c], "weight": f"{value:.6g}"}
            for (n, y, x, c), value in np.ndenumerate(filters)
        ]
    )


def map_table(maps: dict[str, NDArray[np.float32]]) -> str:
    """A row per endpoint, map, row and column, not stretched."""
    return as_csv(
        [
            {"endpoint": endpoint, "map": n, "row": y, "column": x, "response": f"{value:.6g}"}
            for endpoint, pictures in maps.items()
            for (n, y, x), value in np.ndenumerate(pictures)
        ]
    )


if __name__ == "__main__":
    command_line.run(main)
