"""The architectures, one file a family; `catalogue.csv` lists them in order of history, a line each."""

import importlib

from cnn_evolution.files import table_rows
from cnn_evolution.models.maps import features
from cnn_evolution.models.named import cost, feature_info, receptive_fields
from cnn_evolution.models.registry import create_model, list_models, model_info, register
from cnn_evolution.models.spec import ModelSpec
from cnn_evolution.pixels import NORMALISATIONS

__all__ = [
    "ModelSpec",
    "cost",
    "create_model",
    "feature_info",
    "features",
    "list_models",
    "model_info",
    "receptive_fields",
    "register",
]


def _spec(row: dict[str, str]) -> ModelSpec:
    mean, std = NORMALISATIONS[row["normalisation"]]
    return ModelSpec(
        name=row["name"],
        module=row["module"],
        family=row["family"],
        year=int(row["year"]),
        paper=row["paper"],
        build=importlib.import_module(f"{__name__}.{row['module']}").VARIANTS[row["name"]],
        params=int(row["params"]),
        aux_params=int(row["aux_params"] or 0),
        macs=int(row["macs"]),
        num_classes=int(row["num_classes"]),
        input_size=int(row["input_size"]),
        min_input_size=int(row["min_input_size"]),
        small_below=int(row["small_below"]) if row["small_below"] else None,
        mean=mean,
        std=std,
        deviations=row["deviations"],
    )


for _row in table_rows(__name__, "catalogue.csv"):
    register(_spec(_row))
