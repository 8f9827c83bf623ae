"""What architectures cost and what they see, computed from shapes alone."""

from cnn_evolution.analysis.cost import Cost, Layer, cost

__all__ = ["Cost", "Layer", "cost"]
