"""What a network computes of every image of a split, stored with what it is of."""

import dataclasses
import functools
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.errors import FlaxError
from jax import Array
from numpy.typing import NDArray

from cnn_evolution.data import ImageSource, Workers, evaluation_batches, present
from cnn_evolution.evaluation.results import library_versions
from cnn_evolution.files import replacing
from cnn_evolution.parallel import map_prediction, shared, split_over_devices, whole_batch
from cnn_evolution.pixels import Pixels, normalise
from cnn_evolution.pretrained import Pretrained
from cnn_evolution.training.identity import described, differences, tree_hash

FORMAT = 1  # of the files
log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """Those of the images of a split that could be read, in its order.

    Attributes:
      values: float32 (images, C).
      labels: int32 (images,).
      identity: What they are of, as JSON: the network, its weights, the crop, the images.

    Raises:
      ValueError: An array has another shape or type.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.int32]
    identity: Mapping[str, Any]

    def __post_init__(self) -> None:
        values, labels = self.values, self.labels
        if (
            values.dtype != np.float32
            or values.ndim != 2
            or labels.dtype != np.int32
            or labels.shape != values.shape[:1]
        ):
            raise ValueError(
                f"features are {values.dtype} {values.shape} with labels {labels.dtype} {labels.shape}, expected "
                "float32 (images, C) and int32 (images,)"
            )


def headless(network: Pretrained) -> Pretrained:
    """The network without its classifier: its output is what the classifier sees, (N, C).

    Raises:
      ValueError: The module has no such form (`num_classes=0`, as `layers.Network` has).
    """
    size = network.crop.size
    try:
        model = network.model.clone(num_classes=0)
        images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
        shape = jax.eval_shape(functools.partial(model.apply, train=False), network.variables, images).shape
    except (TypeError, ZeroDivisionError, FlaxError) as error:  # without the field, or with a layer of no width
        raise ValueError(f"{type(network.model).__name__} has no form with num_classes=0: {error}") from error
    if len(shape) != 2 or not shape[1]:
        raise ValueError(
            f"{type(network.model).__name__} with num_classes=0 gives {shape} of one image, expected features (1, C)"
        )
    return dataclasses.replace(network, model=model, classes=())


def features_identity(network: Pretrained, source: ImageSource, max_corrupt: int = 0) -> dict[str, Any]:
    """What decides the features of a split, as JSON; arrays by a hash."""
    identity = {
        "format": FORMAT,
        "network": described(network.model),
        "weights": tree_hash(network.variables),
        "pixels": network.pixels._asdict(),
        "crop": dataclasses.asdict(network.crop),
        "data": source.name,
        "split": source.split,
        "images": len(source),
        "fingerprint": source.fingerprint,
        "max_corrupt": max_corrupt,
        "versions": library_versions(),
    }
    found: dict[str, Any] = json.loads(json.dumps(identity))
    return found


def compute_features(
    network: Pretrained, source: ImageSource, *, batch_size: int, workers: Workers = "auto", max_corrupt: int = 0
) -> Features:
    """Features of every image of a split, each once, by its network's crop for evaluation.

    Args:
      network: As `headless` gives it.
      source: The split.
      batch_size: Images per step over all devices, rounded up to a multiple of their number.
      workers: Processes that decode images; 0 decodes in threads of this process, "auto" chooses by its cores.
      max_corrupt: Images that may be left out because they cannot be read.

    Raises:
      ValueError: The batch has no image, more files than `max_corrupt` are corrupt, a feature is no finite number, or
        several processes take part.
    """
    if jax.process_count() > 1:
        raise ValueError(f"features are computed by one process, but {jax.process_count()} take part")
    identity = features_identity(network, source, max_corrupt)
    extract = _extractor(network.model, network.pixels)
    variables = jax.device_put(network.variables)
    batches = evaluation_batches(
        source, batch_size=whole_batch(batch_size), crop=network.crop, workers=workers, max_corrupt=max_corrupt
    )
    values, labels = [], []
    for batch in batches:
        rows = present(batch["label"])
        computed = np.asarray(extract(variables, split_over_devices(batch["image"]), None))
        values.append(computed.reshape(len(rows), -1)[rows])
        labels.append(batch["label"][rows])
    found = Features(values=np.concatenate(values), labels=np.concatenate(labels), identity=identity)
    if wrong := int((~np.isfinite(found.values).all(1)).sum()):
        raise ValueError(f"the network gives {wrong} of {len(found.values)} images features that are no finite numbers")
    return found


@shared
def _extractor(model: nn.Module, pixels: Pixels) -> Callable[[Any, Any, Any], Any]:
    def features(variables: Any, images: Array, _: Any) -> Array:
        values: Any = model.apply(variables, normalise(images, *pixels), train=False)
        return values.astype(jnp.float32)

    return map_prediction(features)


def stored_features(
    path: Path,
    network: Pretrained,
    source: ImageSource,
    *,
    batch_size: int,
    workers: Workers = "auto",
    max_corrupt: int = 0,
) -> Features:
    """The features in a file if they are of this network and these images; else they are computed and stored there.

    Where the file holds others, or is damaged, that is said.

    Args:
      path: An .npz file.

    Raises:
      ValueError: As `compute_features`, whose arguments the others are.
      OSError: The file cannot be written.
    """
    if (stored := _read(path)) is not None:
        lines = differences(features_identity(network, source, max_corrupt), stored.identity)
        if not lines:
            return stored
        log.warning("%s holds other features, which are computed anew: %s", path, "; ".join(lines))
    path.parent.mkdir(parents=True, exist_ok=True)
    found = compute_features(network, source, batch_size=batch_size, workers=workers, max_corrupt=max_corrupt)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, values=found.values, labels=found.labels, identity=np.array(json.dumps(found.identity)))
    return found


def _read(path: Path) -> Features | None:
    if not path.exists():
        return None
    try:
        with np.load(path) as stored:  # which checks sums as it reads
            return Features(
                values=stored["values"], labels=stored["labels"], identity=json.loads(str(stored["identity"]))
            )
    except Exception as error:  # a damaged archive has many ways to fail
        log.warning("%s cannot be read, so its features are computed anew: %s", path, error)
        return None
