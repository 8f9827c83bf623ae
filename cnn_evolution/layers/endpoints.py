"""Named feature maps, kept only when somebody asks for them."""

import flax.linen as nn
from jax import Array


def endpoint(module: nn.Module, name: str, x: Array) -> Array:
    """Returns `x`, and stores it as `name` in the collection `"endpoints"` if that is mutable.

    Nothing is stored while parameters are initialised, so `init` returns weights only.
    """
    if not module.is_initializing():
        module.sow("endpoints", name, x, reduce_fn=lambda _, new: new, init_fn=lambda: None)
    return x
