"""What one writes to research with this package, to be copied: `python -m experiments.examples.own_network --help`."""
