"""What networks cost and what they see, computed from shapes alone."""

from cnn_evolution.analysis.cost import Cost, Layer, cost
from cnn_evolution.analysis.endpoints import FeatureInfo, feature_info, parameters_by_endpoint
from cnn_evolution.analysis.receptive_field import ReceptiveField, receptive_fields

__all__ = [
    "Cost",
    "FeatureInfo",
    "Layer",
    "ReceptiveField",
    "cost",
    "feature_info",
    "parameters_by_endpoint",
    "receptive_fields",
]
