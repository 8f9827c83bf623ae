"""What architectures cost and what they see, computed from shapes alone."""

from cnn_evolution.analysis.cost import Cost, Layer, cost
from cnn_evolution.analysis.receptive_field import ReceptiveField, receptive_fields

__all__ = ["Cost", "Layer", "ReceptiveField", "cost", "receptive_fields"]
