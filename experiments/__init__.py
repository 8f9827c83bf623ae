"""Command lines over `cnn_evolution`, one per question: `python -m experiments.NAME --help`."""

import sys

from experiments.allocator import start_again_tuned

if sys.argv[0] == "-m":  # so Python calls itself until it has found the module that it is to run: one of these
    start_again_tuned()
