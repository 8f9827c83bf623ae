"""Published weights as they were meant to be evaluated: by the crop and the scale of pixels that belong to them."""

import dataclasses
from pathlib import Path

from cnn_evolution.data import CenterCrop
from cnn_evolution.evaluation.classifier import Classifier
from cnn_evolution.models import create_model
from cnn_evolution.pixels import Pixels
from cnn_evolution.pretrained.published import PretrainedWeights, load_pretrained


def pretrained_classifier(
    weights: PretrainedWeights, *, path: Path | None = None, cache_dir: Path | None = None
) -> Classifier:
    """The network with these weights, downloaded on first use, or read from the local file `path`.

    Raises:
      ValueError, OSError, ModuleNotFoundError: As `load_pretrained`.
    """
    return Classifier(
        name=weights.model,
        model=create_model(weights.model, num_classes=weights.num_classes),
        pixels=Pixels(weights.mean, weights.std),
        variables=load_pretrained(
            weights.model,
            source=weights.source,
            tag=weights.tag,
            path=path,
            num_classes=weights.num_classes,
            cache_dir=cache_dir,
        ),
        crop=CenterCrop(size=weights.crop, resize=weights.resize, interpolation=weights.interpolation),
        config={"pretrained": dataclasses.asdict(weights), "path": None if path is None else str(path)},
    )
