"""Trainings as a run leaves them, and the numbers beside a picture."""

import csv
import math

from experiments.degradation_figures import Training

CHANCE = math.log(10)  # the loss of equal chances for ten classes


def training(name="cifar_plain20", losses=(2.0, 1.0), errors=None, validation=((5, 80.0), (10, 60.0))):
    """A run with a line of metrics every ten steps, on ten classes."""
    errors = errors or [50.0] * len(losses)
    lines = zip(losses, errors, strict=True)
    metrics = tuple({"step": 10 * i, "loss": loss, "top1_error": error} for i, (loss, error) in enumerate(lines, 1))
    sizes = {"classes": 10, "batch_size": 100, "validation_images": 2000}
    return Training(name=name, metrics=metrics, validation_errors=tuple(validation), **sizes)


def sweep(flags):
    """A run for every rate, which trains where the flag is 1."""
    return [training(losses=(CHANCE, 1.0 if flag == "1" else math.nan)) for flag in flags]


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
