"""Stochastic depth: G. Huang, Y. Sun, Z. Liu, D. Sedra, K. Weinberger, "Deep Networks with Stochastic Depth", ECCV
2016 (arXiv 1603.09382).

Deviations: the paper drops a block for the whole batch, and scales by the chance to survive in evaluation; here, as in
the networks that made use of it later, every image draws for itself, and training divides by that chance.
"""

import flax.linen as nn


def stochastic_depth(rate: float, *, train: bool, name: str | None = None) -> nn.Dropout:
    """Drops the residual branch of some of a batch's images in training, (N, H, W, C) to the same (section 3).

    An image's branch is 0 with probability `rate`, and divided by 1 - rate otherwise. Draws from the generator
    "dropout".

    Raises:
      ValueError: if the rate is not from 0 to 1.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}; expected a probability from 0 (keep every branch) to 1 (drop every branch)")
    return nn.Dropout(rate, broadcast_dims=(1, 2, 3), deterministic=not train, name=name)
