"""Command lines over `cnn_evolution`, one per question: `python -m experiments.NAME --help`."""
