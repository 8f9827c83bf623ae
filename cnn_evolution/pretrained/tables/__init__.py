"""What the zoos call our layers, one file for each file of `models/` that has a peer."""

import importlib
import importlib.util
from collections.abc import Mapping

from cnn_evolution.pretrained.names import Names


def names_of(module: str) -> Mapping[str, Names]:
    """By zoo, the names of the layers that a file of `models/` builds; empty if no zoo has them."""
    table = f"{__name__}.{module}"
    return importlib.import_module(table).ZOOS if module and importlib.util.find_spec(table) else {}
