"""The history of ImageNet's convolutional networks, executable."""

from cnn_evolution.analysis import Cost, cost
from cnn_evolution.catalogue import create_model, features, list_models, model_info
from cnn_evolution.pretrained import from_torch, load, pretrained_weights, to_torch
from cnn_evolution.spec import ModelSpec

__all__ = [
    "Cost",
    "ModelSpec",
    "cost",
    "create_model",
    "features",
    "from_torch",
    "list_models",
    "load",
    "model_info",
    "pretrained_weights",
    "to_torch",
]
