"""Published results as data files, each value with its source."""

from cnn_evolution.history.ilsvrc import IlsvrcResult, chart_entries, human, ilsvrc_results, winners
from cnn_evolution.history.published_errors import PublishedError, published_error, published_errors

__all__ = [
    "IlsvrcResult",
    "PublishedError",
    "chart_entries",
    "human",
    "ilsvrc_results",
    "published_error",
    "published_errors",
    "winners",
]
