"""The history of ImageNet's convolutional networks, executable.

Public names and the packages that hold them are imported when they are first used: a script that prepares its process,
or that needs one part, does not wait for the others.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same for type checkers
    from cnn_evolution import analysis, layers, models, pretrained  # noqa: F401
    from cnn_evolution.analysis import Cost, FeatureInfo  # noqa: F401
    from cnn_evolution.cpu_settings import prepare_cpu  # noqa: F401
    from cnn_evolution.loading import load  # noqa: F401
    from cnn_evolution.models import (  # noqa: F401
        ModelSpec,
        cost,
        create_model,
        feature_info,
        features,
        list_models,
        model_info,
        receptive_fields,
        register,
    )
    from cnn_evolution.pretrained import from_torch, pretrained_weights, to_torch  # noqa: F401

_PUBLIC = {
    "analysis": ("Cost", "FeatureInfo"),
    "cpu_settings": ("prepare_cpu",),
    "layers": (),
    "loading": ("load",),
    "models": (
        "ModelSpec",
        "cost",
        "create_model",
        "feature_info",
        "features",
        "list_models",
        "model_info",
        "receptive_fields",
        "register",
    ),
    "pretrained": ("from_torch", "pretrained_weights", "to_torch"),
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = [*_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC, *_MODULE_OF})
