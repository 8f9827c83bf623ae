"""Fits a linear classifier on what a frozen network computes, and evaluates it.

    python -m experiments.linear_probe resnet50 --dataset imagefolder --data-dir photos --train-split train
    python -m experiments.linear_probe mobilenet_v2:torchvision:IMAGENET1K_V2 --size 96 --method ridge
    python -m experiments.linear_probe resnet18:torchvision:resnet18.safetensors --train-split "train[:10%]"
    python -m experiments.linear_probe runs/mini-resnet18 --dataset mini_ilsvrc --l2 0.001

The network is published weights (NAME, NAME:SOURCE, NAME:SOURCE:TAG, NAME:SOURCE:FILE) or the directory of a run. It
sees every image of both splits once, by its own crop for evaluation; the classes of the data may be any. Its features
are stored in the output directory, and used again for the same network, images and crop.

The strength of L2 is chosen by the error on a held-out fifth of the training split, unless it is given. The result is
appended to `results.jsonl`.
"""

import dataclasses
import re
from pathlib import Path
from typing import Literal

import tyro

from cnn_evolution.data import ImageSource, first_difference, open_source
from cnn_evolution.evaluation.classifier import Classifier
from cnn_evolution.evaluation.intervals import LEVEL, error_interval
from cnn_evolution.evaluation.results import Result, append_result, make_result, summary
from cnn_evolution.pretrained import Pretrained
from cnn_evolution.training.features import Features, headless, stored_features
from cnn_evolution.training.probe import METHODS, Probe, feature_errors, fit_probe, probed
from experiments import command_line
from experiments.evaluating import Evaluating
from experiments.importing import Importing
from experiments.networks import load_network


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Importing, Evaluating):
    """A linear probe.

    Attributes:
      network: The frozen network.
      dataset: Name of a data set, as for `experiments.train`.
      train_split: What the classifier is fitted to.
      evaluation_split: What it is evaluated on.
      size: Side of the images in pixels, which published networks may take; None for that of the weights.
      resize: Short side of an image before the centre crop, in pixels; None for that of the weights.
      method: Logistic regression, or ridge regression on one-hot targets.
      l2: Strength of L2, for standardised features and a mean over the images; None to choose it.
      seed: Draws the images that are held out to choose it.
      output_dir: Gets the features, in a directory for each network, and results.jsonl.
    """

    network: tyro.conf.Positional[str]
    dataset: str = "mini_ilsvrc"
    train_split: str = "train"
    evaluation_split: str = "validation"
    size: int | None = None
    resize: int | None = None
    method: Literal["logistic", "ridge"] = "logistic"
    l2: float | None = None
    seed: int = 0
    output_dir: Path = Path("runs/linear_probe")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.l2 is not None and not 0 < self.l2 < float("inf"):
            raise ValueError(f"l2 is {self.l2}, expected a number above 0")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}, expected 0 or more")


def main() -> None:
    arguments = tyro.cli(
        Arguments, prog="python -m experiments.linear_probe", description=command_line.described(__doc__)
    )
    arguments.keep_programs()
    train, evaluation = sources(arguments)
    network = body(arguments)
    directory = arguments.output_dir / re.sub(r"[^\w-]+", "_", arguments.network).strip("_")
    learnt, asked = (
        stored_features(directory / f"{name}.npz", network, source, **arguments.reading())
        for name, source in (("train", train), ("evaluation", evaluation))
    )
    probe = fit_probe(
        METHODS[arguments.method],
        learnt.values,
        learnt.labels,
        train.num_classes,
        l2=arguments.l2,
        seed=arguments.seed,
    )
    result = measured(arguments, network, probe, evaluation, learnt, asked)
    append_result(arguments.output_dir, result)
    print(line(arguments, probe, result))


def sources(arguments: Arguments) -> tuple[ImageSource, ImageSource]:
    """The two splits.

    Raises:
      ValueError: Their classes differ; or they cannot be opened.
    """
    train, evaluation = (
        open_source(arguments.dataset, split, data_dir=arguments.data_dir)
        for split in (arguments.train_split, arguments.evaluation_split)
    )
    if (label := first_difference(train.class_names, evaluation.class_names)) is not None:
        raise ValueError(f"{train.split} and {evaluation.split} have different classes from label {label} on")
    return train, evaluation


def body(arguments: Arguments) -> Pretrained:
    """The network without its classifier, and with the crop that is asked for."""
    network = load_network(arguments.network, **({} if arguments.size is None else {"input_size": arguments.size}))
    if arguments.resize is not None:
        network = dataclasses.replace(network, crop=dataclasses.replace(network.crop, resize=arguments.resize))
    return headless(network)


def measured(
    arguments: Arguments,
    network: Pretrained,
    probe: Probe,
    source: ImageSource,
    learnt: Features,
    asked: Features,
) -> Result:
    """The errors on the evaluation split, with what they belong to."""
    whole = probed(network, probe.classifier, source.class_names)
    classifier = Classifier(
        name=arguments.network.partition(":")[0],
        model=whole.model,
        pixels=whole.pixels,
        variables=whole.variables,
        crop=whole.crop,
        classes=whole.classes,
        config={
            "network": arguments.network,
            "pretrained": None if network.weights is None else dataclasses.asdict(network.weights),
            "method": arguments.method,
            "l2": probe.l2,
            "seed": arguments.seed,
            "held_out_errors": {f"{l2:g}": error for l2, error in probe.held_out_errors.items()},
            "train": {**learnt.identity, "read": len(learnt.labels)},
            "evaluation": {**asked.identity, "read": len(asked.labels)},
        },
    )
    return make_result(
        [classifier], source, feature_errors(probe.classifier, asked.values, asked.labels), classifier.config
    )


def line(arguments: Arguments, probe: Probe, result: Result) -> str:
    """What was measured."""
    low, high = error_interval(result.top1_error, result.images)
    return (
        f"{result.model}, {arguments.method} regression with L2 {probe.l2:g} on its features: {summary(result)}; other "
        f"images of the kind: top-1 error {low:.2f} to {high:.2f}% ({LEVEL:.0%} interval)"
    )


if __name__ == "__main__":
    command_line.run(main)
