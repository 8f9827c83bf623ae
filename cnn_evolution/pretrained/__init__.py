"""Networks with published weights, and PyTorch's state dicts as Flax variables and back."""

from cnn_evolution.pretrained.conversion import from_torch, to_torch
from cnn_evolution.pretrained.files import load_state_dict, save_state_dict
from cnn_evolution.pretrained.loading import load
from cnn_evolution.pretrained.network import Pretrained
from cnn_evolution.pretrained.published import PublishedWeights, pretrained_weights

__all__ = [
    "Pretrained",
    "PublishedWeights",
    "from_torch",
    "load",
    "load_state_dict",
    "pretrained_weights",
    "save_state_dict",
    "to_torch",
]
