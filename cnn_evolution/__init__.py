"""The history of ImageNet's convolutional networks, executable."""

from cnn_evolution.analysis import Cost, FeatureInfo
from cnn_evolution.models import (
    ModelSpec,
    cost,
    create_model,
    feature_info,
    features,
    list_models,
    model_info,
    receptive_fields,
    register,
)
from cnn_evolution.pretrained import from_torch, load_pretrained, pretrained_weights, to_torch

__all__ = [
    "Cost",
    "FeatureInfo",
    "ModelSpec",
    "cost",
    "create_model",
    "feature_info",
    "features",
    "from_torch",
    "list_models",
    "load_pretrained",
    "model_info",
    "pretrained_weights",
    "receptive_fields",
    "register",
    "to_torch",
]
