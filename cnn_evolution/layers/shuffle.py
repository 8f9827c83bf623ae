"""Channel shuffle."""

from jax import Array


def channel_shuffle(x: Array, groups: int) -> Array:
    """Deals the groups' channels out in turn, (N, H, W, C) to the same (Zhang et al. 2018, Fig. 1).

    The channels (groups, n) come back in the order (n, groups), so that every group of the next grouped convolution
    sees some of each group of the last.

    Raises:
      ValueError: if the channels do not divide into the groups.
    """
    channels = x.shape[-1]
    if channels % groups:
        raise ValueError(f"{channels} channels do not divide into {groups} groups; expected a multiple of {groups}")
    return x.reshape(*x.shape[:-1], groups, channels // groups).swapaxes(-1, -2).reshape(x.shape)
