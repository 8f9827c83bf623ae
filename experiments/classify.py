"""What networks see in photographs: the most probable classes, in words.

    python -m experiments.classify photo.jpg more/*.png
    python -m experiments.classify --examples --plot answers.png
    python -m experiments.classify photos/ --k 3 --network resnet50 vgg16:torchvision      # their mean
    python -m experiments.classify photo.jpg --network mobilenet_v2:torchvision:mobilenet_v2.safetensors
    python -m experiments.classify photo.jpg --network runs/mini-resnet18 --json

Photographs are turned upright as their EXIF data says, which evaluation on data sets does not do; then they are
resized, cropped and normalised as the weights were made for. The probabilities of several networks, which must have the
same classes, are averaged; each network sees its own crop. Where one photograph cannot be read, none is answered.
"""

import dataclasses
import importlib.util
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tyro
from PIL import Image, UnidentifiedImageError

from cnn_evolution.data import CorruptImageError, first_difference
from cnn_evolution.data.decoding import open_pillow
from cnn_evolution.data.opening import image_files
from cnn_evolution.pretrained import Pretrained
from cnn_evolution.pretrained.classes import Classes, in_words
from cnn_evolution.pretrained.network import most_probable
from experiments import command_line
from experiments.compilation_cache import Compiling
from experiments.importing import Importing
from experiments.networks import load_network

EXAMPLES = ("chelsea.png", "coffee.png", "rocket.jpg", "camera.png", "motorcycle_left.png", "astronaut.png")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Importing, Compiling):
    """Which photographs, and which networks.

    Attributes:
      photos: Files, and folders, of which all images are taken.
      network: NAME, NAME:SOURCE, NAME:SOURCE:TAG, NAME:SOURCE:FILE or the directory of a run; several are averaged.
      k: How many classes an answer has.
      examples: Also take photographs that come with scikit-image: a cat, coffee, a rocket, a camera, a motorcycle, an
        astronaut.
      json: Print a line of JSON for each photograph.
      plot: A .png that gets the photographs with their answers; as .svg, and the numbers as .csv, they lie beside it.
    """

    photos: tyro.conf.Positional[tuple[Path, ...]] = ()
    network: tuple[str, ...] = ("efficientnet_lite0",)
    k: int = 5
    examples: bool = False
    json: bool = False
    plot: Path | None = None


class Answer(NamedTuple):
    """What is seen in a photograph.

    Attributes:
      photo: Its file.
      classes: The most probable first, each with `class`, `label`, `wnid` where WordNet knows it, and `probability`.
    """

    photo: Path
    classes: Sequence[dict[str, Any]]

    def __str__(self) -> str:
        lines = (f"{one['probability']:7.1%}  {one['class']}" for one in self.classes)
        return "\n".join((str(self.photo), *lines))


def main() -> None:
    arguments = tyro.cli(Arguments, prog="python -m experiments.classify", description=command_line.described(__doc__))
    arguments.keep_programs()
    photos = [*files(arguments.photos), *(examples() if arguments.examples else ())]
    if not photos:
        raise ValueError("no photograph is named; expected files or folders before --network, or --examples")
    check(photos, header)
    if arguments.plot is not None:
        from experiments.classify_figure import check_plot, save_answers  # which imports matplotlib

        check_plot(arguments.plot, len(photos))
    answers = classified(photos, arguments.network, arguments.k)
    if arguments.plot is not None:
        save_answers(answers, arguments.network, arguments.plot)
    for answer in answers:
        line = {"file": str(answer.photo), "networks": arguments.network, "answers": answer.classes}
        print(json.dumps(line) if arguments.json else answer)


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files, and of folders their images."""
    for path in paths:
        yield from image_files(path) if path.is_dir() else [path]


def examples() -> list[Path]:
    """Photographs that come with scikit-image, which is not imported.

    Raises:
      ModuleNotFoundError: It is not installed.
    """
    found = importlib.util.find_spec("skimage")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("the examples need scikit-image, which is not installed: pip install '.[weights]'")
    return [Path(found.submodule_search_locations[0], "data", name) for name in EXAMPLES]


def check(photos: Iterable[Path], read: Callable[[Path], object]) -> None:
    """Raises ValueError with every photograph that `read` cannot read."""
    bad = []
    for photo in photos:
        try:
            read(photo)
        except Exception as error:  # each of Pillow's plugins raises its own kind
            unknown = isinstance(error, UnidentifiedImageError)
            reason = "no image of a known kind" if unknown else getattr(error, "strerror", None) or error
            bad.append(f"{photo}: {reason}")
    if bad:
        raise ValueError("\n  ".join([f"photographs that cannot be read: {len(bad)}", *bad]))


def header(photo: Path) -> None:
    """Opens a photograph without decoding it."""
    with Image.open(photo):
        pass


def whole(photo: Path) -> Image.Image:
    """A photograph as a network sees it before the crop."""
    return open_pillow(photo.read_bytes(), upright=True)


def classified(photos: Sequence[Path], names: Sequence[str], k: int) -> list[Answer]:
    """The mean answers of the networks of these names.

    Raises:
      ValueError: A network has other classes than the first or fewer than `k`, photographs cannot be read, or as
        `load_network`.
    """
    networks = [load_network(name) for name in names]
    known = common_classes(dict(zip(names, networks, strict=True)))
    networks[0].check_k(k)
    try:
        mean = np.mean([network.probabilities(photos, upright=True) for network in networks], axis=0)
    except CorruptImageError:
        check(photos, whole)  # names all
        raise
    return [
        Answer(photo, [described(known, label, float(row[label])) for label in most_probable(row, k)])
        for photo, row in zip(photos, mean, strict=True)
    ]


def common_classes(networks: dict[str, Pretrained]) -> Classes:
    """The classes that all networks have.

    Raises:
      ValueError: Two have other ones; names the first difference.
    """
    (first, classes), *others = ((name, in_words(network.classes)) for name, network in networks.items())
    for name, theirs in others:
        label = first_difference(classes.names, theirs.names)
        if label is not None:
            one, other = (dict(enumerate(names)).get(label, "nothing") for names in (classes.names, theirs.names))
            raise ValueError(
                f"the networks have other classes: label {label} is {one!r} in {first} ({len(classes.names)} classes) "
                f"and {other!r} in {name} ({len(theirs.names)} classes)"
            )
    return classes


def described(known: Classes, label: int, probability: float) -> dict[str, Any]:
    """A class of an answer."""
    wnid = {"wnid": known.wnids[label]} if known.wnids else {}
    return {"class": known.names[label], "label": label, **wnid, "probability": probability}


if __name__ == "__main__":
    command_line.run(main)
