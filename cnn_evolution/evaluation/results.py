"""Results as JSON lines: what was measured, on what, how, and with which versions."""

import dataclasses
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnn_evolution.data import ImageSource, Workers
from cnn_evolution.evaluation.classifier import Classifier
from cnn_evolution.evaluation.errors import Answered, ErrorCounts, evaluate_errors
from cnn_evolution.jsonl import append_line, read_lines

FILE = "results.jsonl"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """One evaluation.

    Attributes:
      model: Name in the catalogue; an ensemble joins its networks' names with "+".
      protocol: How an image was cropped, in words; for each network where they differ.
      dataset: Name of the data set.
      split: Its split.
      images: Images evaluated.
      top1_error: Percent.
      top5_error: Percent.
      fingerprint: Of the images (`ImageSource.fingerprint`).
      classes: Their names, by label.
      config: What decided the outcome: the task and the optimiser steps done, or the published weights.
      versions: Version of every library that takes part.
    """

    model: str
    protocol: str
    dataset: str
    split: str
    images: int
    top1_error: float
    top5_error: float
    fingerprint: str
    classes: Sequence[str]
    config: Mapping[str, Any]
    versions: Mapping[str, str]


def measure(
    classifiers: Sequence[Classifier],
    source: ImageSource,
    config: Mapping[str, Any],
    *,
    batch_size: int,
    workers: Workers = "auto",
    max_corrupt: int = 0,
    answered: Answered | None = None,
) -> Result:
    """Evaluates; `config` says where the networks come from.

    Raises:
      ValueError: As `evaluate_errors`, whose arguments the others are.
    """
    errors = evaluate_errors(
        classifiers, source, batch_size=batch_size, workers=workers, max_corrupt=max_corrupt, answered=answered
    )
    return make_result(classifiers, source, errors, config)


def make_result(
    classifiers: Sequence[Classifier], source: ImageSource, errors: ErrorCounts, config: Mapping[str, Any]
) -> Result:
    """Joins measured errors with what they belong to."""
    return Result(
        model="+".join(one.name for one in classifiers),
        protocol=_protocol(classifiers),
        dataset=source.name,
        split=source.split,
        images=errors.images,
        top1_error=errors.top1,
        top5_error=errors.top5,
        fingerprint=source.fingerprint,
        classes=list(source.class_names),
        config=json.loads(json.dumps(config)),  # as it will be read back, with lists for tuples
        versions=library_versions(),
    )


def library_versions() -> dict[str, str]:
    """The version of every library that takes part in an evaluation."""
    libraries = ("jax", "flax", "optax", "grain", "tensorflow-datasets", "pillow")
    return {name: importlib.metadata.version(name) for name in libraries}


def _protocol(classifiers: Sequence[Classifier]) -> str:
    first = classifiers[0].crop
    if all(one.crop == first for one in classifiers):
        return str(first)
    return "; ".join(f"{one.name}: {one.crop}" for one in classifiers)


def summary(result: Result) -> str:
    """What was measured, without the name of the network."""
    return (
        f"top-1 error {result.top1_error:.2f}%, top-5 error {result.top5_error:.2f}% "
        f"on {result.images} images of {result.dataset}, split {result.split} ({result.protocol})"
    )


def append_result(directory: Path, result: Result) -> None:
    """Adds one line to the directory's `results.jsonl`."""
    append_line(directory / FILE, dataclasses.asdict(result))


def read_results(directory: Path) -> list[Result]:
    """The results of a directory, oldest first; none if nothing was evaluated.

    A line of an older version, which does not know its data, has no fingerprint and no classes.
    """
    return [Result(**{"fingerprint": "", "classes": [], **record}) for record in read_lines(directory / FILE)]
