"""What tests ask of the modules that images meet in a network."""

from collections.abc import Mapping

import flax.linen as nn


def of_kind(modules: Mapping[str, nn.Module], kind: type[nn.Module]) -> list[nn.Module]:
    """Those of one class, in the order in which images meet them."""
    return [module for module in modules.values() if isinstance(module, kind)]
