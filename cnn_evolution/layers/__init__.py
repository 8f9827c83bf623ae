"""The vocabulary that architectures share."""

from cnn_evolution.layers.adaptive import adaptive_avg_pool
from cnn_evolution.layers.batch_independent import FrozenBatchNorm, frozen_batch_norm, group_norm
from cnn_evolution.layers.branches import Branch, Branches, ConvNormAct, Filters, Fork, side_by_side
from cnn_evolution.layers.convolution import Padding, conv, convolve
from cnn_evolution.layers.endpoints import endpoint, wanted
from cnn_evolution.layers.initialisation import HE_FAN_IN, HE_FAN_OUT, kernel_init
from cnn_evolution.layers.network import (
    Activation,
    Network,
    Norm,
    NormalisedNetwork,
    OptionallyNormalisedNetwork,
    check_norm,
    is_batch_norm,
    logits_dtype,
)
from cnn_evolution.layers.normalisation import BatchNorm, batch_norm, local_response_norm
from cnn_evolution.layers.platform import plain_convolutions
from cnn_evolution.layers.pooling import avg_pool, global_avg_pool, max_pool
from cnn_evolution.layers.shuffle import channel_shuffle
from cnn_evolution.layers.squeeze_excite import SqueezeExcite
from cnn_evolution.layers.stochastic_depth import stochastic_depth
from cnn_evolution.layers.width import make_divisible, scaled, scaled_divisible

__all__ = [
    "HE_FAN_IN",
    "HE_FAN_OUT",
    "Activation",
    "BatchNorm",
    "Branch",
    "Branches",
    "ConvNormAct",
    "Filters",
    "Fork",
    "FrozenBatchNorm",
    "Network",
    "Norm",
    "NormalisedNetwork",
    "OptionallyNormalisedNetwork",
    "Padding",
    "SqueezeExcite",
    "adaptive_avg_pool",
    "avg_pool",
    "batch_norm",
    "channel_shuffle",
    "check_norm",
    "conv",
    "convolve",
    "endpoint",
    "frozen_batch_norm",
    "global_avg_pool",
    "group_norm",
    "is_batch_norm",
    "kernel_init",
    "local_response_norm",
    "logits_dtype",
    "make_divisible",
    "max_pool",
    "plain_convolutions",
    "scaled",
    "scaled_divisible",
    "side_by_side",
    "stochastic_depth",
    "wanted",
]
