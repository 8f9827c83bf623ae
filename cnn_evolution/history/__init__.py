"""Published results as data files, each value with its source."""

from cnn_evolution.history.ilsvrc import IlsvrcResult, chart_entries, human, ilsvrc_results, winners

__all__ = ["IlsvrcResult", "chart_entries", "human", "ilsvrc_results", "winners"]
