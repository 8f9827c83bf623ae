"""Command lines over `cnn_evolution`, one per question: `python -m experiments.NAME --help`."""

import sys

from cnn_evolution.cpu_settings import prepare_cpu

if sys.argv[0] == "-m":  # so Python calls itself until it has found the module that it is to run: one of these
    prepare_cpu()
