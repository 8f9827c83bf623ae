"""The choice between a paper's own initialisation and He's."""

from flax import linen as nn
from jax.nn.initializers import Initializer

HE_FAN_IN = nn.initializers.he_normal()
HE_FAN_OUT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


def kernel_init(initialisation: str, published: Initializer) -> Initializer:
    """`published` for "published"; for "he" a normal distribution of variance 2 / fan-in (He et al. 2015, section 2.2).

    Raises:
      ValueError: for any other name.
    """
    choices = {"published": published, "he": HE_FAN_IN}
    if initialisation not in choices:
        raise ValueError(f"initialisation is {initialisation!r}; expected one of {', '.join(map(repr, choices))}")
    return choices[initialisation]
