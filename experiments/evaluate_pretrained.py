"""Evaluates published weights, each network by itself, beside the errors that its zoo publishes.

    python -m experiments.evaluate_pretrained --data-dir /data/tensorflow_datasets             # the whole history
    python -m experiments.evaluate_pretrained "resnet*" --tag IMAGENET1K_V1 --data-dir /data/tensorflow_datasets
    python -m experiments.evaluate_pretrained wrn_28_10 --dataset cifar10 --split test
    python -m experiments.evaluate_pretrained vgg16 --path vgg16.safetensors

Images are resized, cropped and normalised as the weights were made for. Networks whose weights have another number of
classes than the data set are left out. Results are appended to `results.jsonl`; what it holds is not measured again.
"""

import dataclasses
import json
from pathlib import Path

import tyro

from cnn_evolution import list_models
from cnn_evolution.data import ImageSource, open_source
from cnn_evolution.evaluation.errors import Answered
from cnn_evolution.evaluation.pretrained import pretrained_classifier
from cnn_evolution.evaluation.results import Result, append_result, measure, read_results
from cnn_evolution.pretrained.published import PretrainedWeights, find_weights, pretrained_weights
from experiments import command_line
from experiments.evaluating import Storing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Storing):
    """An evaluation of published weights.

    Attributes:
      pattern: A name in the catalogue, or a shell pattern of names, such as "resnet*".
      source: Only the weights of this zoo: torchvision, timm or pytorchcv.
      tag: Only weights with this tag; None for the first of every network.
      path: A file of the weights, of one network, instead of a download.
      dataset: Name of a data set, as for `experiments.train`; its classes must be those of the weights, in their order.
      split: Its split.
      output_dir: Gets results.jsonl.
    """

    pattern: tyro.conf.Positional[str] = "*"
    source: str | None = None
    tag: str | None = None
    path: Path | None = None
    dataset: str = "imagenet2012"
    split: str = "validation"
    output_dir: Path = Path("runs/pretrained")


def main() -> None:
    arguments = tyro.cli(Arguments, prog="python -m experiments.evaluate_pretrained", description=__doc__)
    arguments.keep_programs()
    chosen = choose(arguments)
    for option in ("path", "predictions"):
        if getattr(arguments, option) is not None and len(chosen) > 1:
            raise ValueError(f"--{option} is the file of one network, but {arguments.pattern!r} names {len(chosen)}")
    source = open_source(arguments.dataset, arguments.split, data_dir=arguments.data_dir)
    fitting = [weights for weights in chosen if weights.num_classes == source.num_classes]
    if not fitting:
        raise ValueError(
            f"{source.name} has {source.num_classes} classes, but these weights have "
            f"{' or '.join(sorted({str(weights.num_classes) for weights in chosen}))}; to train them on other classes, "
            "give experiments.train --model.pretrained"
        )
    for weights in fitting:
        print(line(weights, measured(weights, source, arguments)), flush=True)


def choose(arguments: Arguments) -> list[PretrainedWeights]:
    """The weights that the command line names, in order of history, one of each network."""
    names = list_models(arguments.pattern)
    known = {weights.model for weights in pretrained_weights(source=arguments.source, tag=arguments.tag)}
    if names == [arguments.pattern] or not names:  # one network: what is wrong with its name or tag is said
        return [find_weights(arguments.pattern, source=arguments.source, tag=arguments.tag)]
    chosen = [find_weights(name, source=arguments.source, tag=arguments.tag) for name in names if name in known]
    if not chosen:
        raise ValueError(f"none of the {len(names)} networks {arguments.pattern!r} has such weights")
    return chosen


def measured(weights: PretrainedWeights, source: ImageSource, arguments: Arguments) -> Result:
    """The errors of a network, unless they were measured before."""
    of = {"pretrained": json.loads(json.dumps(dataclasses.asdict(weights))), "path": None}
    for kept in reversed(read_results(arguments.output_dir)) if not (arguments.path or arguments.predictions) else ():
        if kept.config == of and (kept.split, kept.fingerprint) == (source.split, source.fingerprint):
            return kept
    return arguments.stored(lambda answered: evaluated(weights, source, arguments, answered))


def evaluated(
    weights: PretrainedWeights, source: ImageSource, arguments: Arguments, answered: Answered | None
) -> Result:
    """The errors of a network, once they are in `results.jsonl`."""
    network = pretrained_classifier(weights, path=arguments.path)
    result = measure([network], source, network.config, answered=answered, **arguments.reading())
    append_result(arguments.output_dir, result)
    return result


def line(weights: PretrainedWeights, result: Result) -> str:
    """What was measured, and what is published."""
    published = [f"{error:.2f}%" if error is not None else "none" for error in (weights.top1_error, weights.top5_error)]
    return (
        f"{weights.model}  {weights.source}:{weights.tag}  top-1 error {result.top1_error:.2f}% (published "
        f"{published[0]}), top-5 error {result.top5_error:.2f}% (published {published[1]}), {result.images} images of "
        f"{result.dataset}, split {result.split} ({result.protocol})"
    )


if __name__ == "__main__":
    command_line.run(main)
