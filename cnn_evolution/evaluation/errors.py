"""Top-1 and top-5 error of a network, or of several whose probabilities are averaged."""

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from cnn_evolution.data import ImageSource, Workers, evaluation_batches, present
from cnn_evolution.evaluation.classifier import Classifier, Prediction
from cnn_evolution.parallel import AXIS, map_count, map_prediction, replicated, shared, split_over_devices, whole_batch
from cnn_evolution.pixels import Pixels, normalise

log = logging.getLogger(__name__)

Answered = Callable[[Sequence[str], NDArray[np.int32], NDArray[np.float32]], None]
"""Called with the ids, labels (n,) and probabilities (n, classes) of images, those that this process read."""


@dataclasses.dataclass(frozen=True)
class ErrorCounts:
    """Counts over a whole split, and the errors in percent.

    Attributes:
      images: Images evaluated.
      top1_wrong: Those whose label is not the first prediction.
      top5_wrong: Those whose label is not among the first five.
      not_finite: Those with scores that are no finite numbers, which count as wrong.
    """

    images: int
    top1_wrong: int
    top5_wrong: int
    not_finite: int = 0

    @property
    def top1(self) -> float:
        return 100 * self.top1_wrong / self.images

    @property
    def top5(self) -> float:
        return 100 * self.top5_wrong / self.images


def count_errors(probabilities: Array, labels: Array) -> tuple[Array, Array, Array, Array]:
    """The four counts of `ErrorCounts`, each an int32 scalar.

    Args:
      probabilities: (N, classes), or any scores that rank the classes.
      labels: (N,) int32; a row marked ABSENT holds no image and is not counted.
    """
    there = present(labels)
    _, best = lax.top_k(probabilities, min(5, probabilities.shape[-1]))
    finite = jnp.isfinite(probabilities).all(-1)
    hits = (best == labels[:, None]) & finite[:, None]
    return there.sum(), (there & ~hits[:, 0]).sum(), (there & ~hits.any(-1)).sum(), (there & ~finite).sum()


@shared
def predictor(predict: Prediction, pixels: Pixels, num_classes: int) -> Callable[[Any, Any, Any], Any]:
    """`(variables, images, frozen) -> probabilities` over the local devices, of images as they are read.

    Equal arguments share a compiled program, so an ensemble of networks evaluated before compiles nothing.

    Raises:
      ValueError: When it is traced: the prediction is not (N, num_classes).
    """

    def probabilities(variables: Any, images: Array, frozen: Any) -> Array:
        logits: Any = predict(variables, normalise(images, *pixels), frozen)
        if logits.shape != (len(images), num_classes):
            raise ValueError(
                f"the prediction has the shape {logits.shape}, expected (N, classes) = ({len(images)}, {num_classes})"
            )
        return jax.nn.softmax(logits)

    return map_prediction(probabilities)


@functools.cache
def _counter() -> Callable[[Any, Any], Any]:
    return map_count(lambda scores, labels: lax.psum(jnp.stack(count_errors(scores, labels)), AXIS))


def evaluate_errors(
    classifiers: Sequence[Classifier],
    source: ImageSource,
    *,
    batch_size: int,
    workers: Workers = "auto",
    max_corrupt: int = 0,
    answered: Answered | None = None,
) -> ErrorCounts:
    """Errors over exactly the images of `source`, each once, whatever the batch size and the number of devices.

    The probabilities of several classifiers are averaged (Krizhevsky et al. 2012), each seeing its own crop of every
    image.

    Args:
      classifiers: One, or several.
      source: What they are shown; its labels are theirs.
      batch_size: Images per step over all devices of all hosts, rounded up to a multiple of the devices.
      workers: Processes that decode images; 0 decodes in threads of this process, "auto" chooses by its cores.
      max_corrupt: Images that may be left out because they cannot be read.
      answered: Gets each image's answer.

    Raises:
      ValueError: There is no classifier, the batch has no image, or more files than `max_corrupt` are corrupt.
    """
    if not classifiers:
        raise ValueError("an evaluation needs at least one network")
    batch_size = whole_batch(batch_size)
    crops = list(dict.fromkeys(one.crop for one in classifiers))
    streams: list[Iterator[Mapping[str, Any]]] = [
        evaluation_batches(
            source,
            batch_size=batch_size,
            crop=crop,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
            workers=workers,
            max_corrupt=max_corrupt,
        )
        for crop in crops
    ]
    predictors = [predictor(one.prediction, one.pixels, source.num_classes) for one in classifiers]
    frozen = [jax.device_put(one.frozen, replicated()) for one in classifiers]
    totals = [0, 0, 0, 0]
    for number, batches in enumerate(zip(*streams, strict=True)):
        batch_of = dict(zip(crops, map(split_over_devices, batches), strict=True))
        scores = sum(
            predict(one.variables, batch_of[one.crop]["image"], kept)
            for predict, one, kept in zip(predictors, classifiers, frozen, strict=True)
        )
        counts = _counter()(scores, batch_of[crops[0]]["label"])
        totals = [total + int(count) for total, count in zip(totals, counts, strict=True)]
        if answered:
            labels, first = batches[0]["label"], number * batch_size + jax.process_index()
            rows = np.flatnonzero(present(labels))
            ids = [source.image_id(first + int(row) * jax.process_count()) for row in rows]
            means = (np.asarray(scores).reshape(len(labels), -1) / len(classifiers)).astype(np.float32)
            answered(ids, labels[rows], means[rows])
    counted = ErrorCounts(*totals)
    if counted.not_finite:
        names = "+".join(one.name for one in classifiers)
        log.warning("%s gives %d images scores that are no numbers; they count as wrong", names, counted.not_finite)
    return counted
