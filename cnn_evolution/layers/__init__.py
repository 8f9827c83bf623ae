"""The vocabulary that architectures share."""

from cnn_evolution.layers.attention import SqueezeExcite
from cnn_evolution.layers.convolution import conv, convolve
from cnn_evolution.layers.endpoints import endpoint
from cnn_evolution.layers.normalisation import batch_norm, local_response_norm
from cnn_evolution.layers.platform import plain_convolutions
from cnn_evolution.layers.pooling import avg_pool, global_avg_pool, max_pool
from cnn_evolution.layers.width import scaled

__all__ = [
    "SqueezeExcite",
    "avg_pool",
    "batch_norm",
    "conv",
    "convolve",
    "endpoint",
    "global_avg_pool",
    "local_response_norm",
    "max_pool",
    "plain_convolutions",
    "scaled",
]
