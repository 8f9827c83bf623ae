"""Published weights as they were meant to be evaluated: by the crop, the scale of pixels and the classes of theirs."""

import dataclasses
import itertools
import logging
from pathlib import Path

from cnn_evolution.data import ImageSource
from cnn_evolution.evaluation.classifier import Classifier
from cnn_evolution.pretrained import load
from cnn_evolution.pretrained.classes import classes_of

log = logging.getLogger(__name__)


def pretrained_classifier(
    name: str,
    *,
    source: str | None = None,
    tag: str | None = None,
    path: Path | None = None,
    cache_dir: Path | None = None,
) -> Classifier:
    """A network with published weights, whose arguments are those of `load`.

    Raises:
      ValueError: The zoo lists no such weights, the file has another number of classes, or as `load`.
      OSError, ModuleNotFoundError: As `load`.
    """
    network = load(name, source=source, tag=tag, path=path, cache_dir=cache_dir)
    weights = network.weights
    if weights is None:
        raise ValueError(f"{source} publishes no weights of {name}, so the crop that belongs to {path} is not known")
    if len(network.classes) != weights.num_classes:
        raise ValueError(f"{path} has {len(network.classes)} classes; {source}'s {name} has {weights.num_classes}")
    return Classifier(
        name=name,
        model=network.model,
        pixels=network.pixels,
        variables=network.variables,
        crop=network.crop,
        classes=network.classes,
        config={"pretrained": dataclasses.asdict(weights), "path": None if path is None else str(path)},
    )


def labelled_by(dataset: str, source: ImageSource) -> ImageSource:
    """A split with its labels as published weights have them, by the names or the WordNet ids of its classes.

    A split with some of the classes only, or with all in another order, is said.

    Args:
      dataset: TFDS's name of the data set that the weights were made for.
      source: The split.

    Raises:
      ValueError: It has other classes; gives the first label on which both lists differ.
    """
    known = classes_of(dataset)
    for classes in (known.wnids, known.names):
        if set(source.class_names) <= set(classes):
            if source.class_names != classes:
                log.warning("the %d classes of %s are found by name in %s", source.num_classes, source.name, dataset)
            return source.with_classes(classes)
    classes = known.wnids if set(source.class_names) & set(known.wnids) else known.names
    label, one, other = next(
        (label, one, other)
        for label, (one, other) in enumerate(itertools.zip_longest(source.class_names, classes, fillvalue="nothing"))
        if one != other
    )
    raise ValueError(
        f"{source.name} has other classes ({source.num_classes}) than {dataset} ({len(classes)}): label {label} is "
        f"{one!r} in {source.name} and {other!r} in {dataset}"
    )
