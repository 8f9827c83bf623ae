"""Training: a `Task` says what, `fit` does it."""

from cnn_evolution.needed import needed_for

with needed_for("cnn_evolution.training"):
    from cnn_evolution.evaluation.results import Result
    from cnn_evolution.training.augment import ColourNoise, CutMix, Mixup, OneOf
    from cnn_evolution.training.fit import Diverged, Interrupted, evaluate, fit
    from cnn_evolution.training.objective import cross_entropy
    from cnn_evolution.training.task import RunOptions, Task

__all__ = [
    "ColourNoise",
    "CutMix",
    "Diverged",
    "Interrupted",
    "Mixup",
    "OneOf",
    "Result",
    "RunOptions",
    "Task",
    "cross_entropy",
    "evaluate",
    "fit",
]
