"""Named values, kept only when somebody asks for them."""

import flax.linen as nn
from jax import Array


def wanted(module: nn.Module, collection: str) -> bool:
    """Whether `collection` is mutable; never while parameters are initialised, so `init` returns weights only."""
    return module.is_mutable_collection(collection) and not module.is_initializing()


def endpoint(module: nn.Module, name: str, x: Array, collection: str = "endpoints") -> Array:
    """Returns `x`, and stores it as `name` in `collection` if that is wanted.

    Unlike `nn.Module.sow` it does not reserve the name, so an endpoint may be called like the layer it follows. In a
    `layers.Network` call `self.endpoint`, at which the network can end.
    """
    if wanted(module, collection):
        module.put_variable(collection, name, x)
    return x
