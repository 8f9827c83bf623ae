"""The architectures, one file a family; read in this order they are the history."""

from cnn_evolution.models import alexnet, googlenet, resnet, senet, vgg, zfnet
from cnn_evolution.spec import ModelSpec

FAMILIES = (alexnet, zfnet, vgg, googlenet, resnet, senet)

MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in sorted((spec for family in FAMILIES for spec in family.SPECS), key=lambda spec: spec.year)
}
"""The catalogue in order of history; within a year, families stay together in the order above."""
