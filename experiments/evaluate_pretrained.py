"""Evaluates published weights, each network by itself, beside the errors that its zoo publishes.

    python -m experiments.evaluate_pretrained --data-dir /data/tensorflow_datasets             # the whole history
    python -m experiments.evaluate_pretrained "resnet*" --tag IMAGENET1K_V1 --data-dir /data/tensorflow_datasets
    python -m experiments.evaluate_pretrained wrn_28_10 --dataset cifar10 --split test
    python -m experiments.evaluate_pretrained vgg16 --path vgg16.safetensors --source torchvision

Images are resized, cropped and normalised as the weights were made for. Labels follow the names of the data set's
classes, or their WordNet ids. Left out are networks whose weights have other classes, and weights of packages that are
not installed, which is said. Results are appended to `results.jsonl`; what it holds is not measured again.
"""

import dataclasses
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import tyro

from cnn_evolution import list_models
from cnn_evolution.data import ImageSource, open_source
from cnn_evolution.evaluation.errors import Answered
from cnn_evolution.evaluation.pretrained import labelled_by, pretrained_classifier
from cnn_evolution.evaluation.results import Result, append_result, measure, read_results
from cnn_evolution.pretrained.conversion import stated_source
from cnn_evolution.pretrained.loading import weights_file
from cnn_evolution.pretrained.published import PublishedWeights, find_weights, pretrained_weights
from experiments import command_line
from experiments.evaluating import Storing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Storing):
    """An evaluation of published weights.

    Attributes:
      pattern: A name in the catalogue, or a shell pattern of names, such as "resnet*".
      source: Only the weights of this zoo: torchvision, timm, pytorchcv or efficientnet_lite_pytorch; a file needs it.
      tag: Only weights with this tag; None for the first of every network.
      path: A file of the weights, of one network, instead of a download.
      dataset: Name of a data set, as for `experiments.train`; its classes must be among those of the weights.
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
    arguments = tyro.cli(
        Arguments, prog="python -m experiments.evaluate_pretrained", description=command_line.described(__doc__)
    )
    arguments.keep_programs()
    chosen = choose(arguments)
    for option in ("path", "predictions"):
        if getattr(arguments, option) is not None and len(chosen) > 1:
            raise ValueError(f"--{option} is the file of one network, but {arguments.pattern!r} names {len(chosen)}")
    if arguments.path is not None:
        stated_source(chosen[0].model, arguments.path, arguments.source)
    else:
        chosen = present(chosen)
    source = open_source(arguments.dataset, arguments.split, data_dir=arguments.data_dir)
    sources = labelled(source, dict.fromkeys(weights.dataset for weights in chosen))
    for weights in chosen:
        if weights.dataset in sources:
            print(line(weights, measured(weights, sources[weights.dataset], arguments)), flush=True)


def labelled(source: ImageSource, datasets: Iterable[str]) -> dict[str, ImageSource]:
    """The split with the labels of each data set that weights were made for and whose classes it has.

    Raises:
      ValueError: It has the classes of none.
    """
    found, refused = {}, []
    for dataset in datasets:
        try:
            found[dataset] = labelled_by(dataset, source)
        except ValueError as error:
            refused.append(str(error))
    if not found:
        raise ValueError(
            f"{'; '.join(refused)}. To train these weights on other classes, give experiments.train --model.pretrained"
        )
    return found


def choose(arguments: Arguments) -> list[PublishedWeights]:
    """The weights that the command line names, in order of history, one of each network."""
    names = list_models(arguments.pattern)
    known = {weights.model for weights in pretrained_weights(source=arguments.source, tag=arguments.tag)}
    if names == [arguments.pattern] or not names:  # one network: what is wrong with its name or tag is said
        return [find_weights(arguments.pattern, source=arguments.source, tag=arguments.tag)]
    chosen = [find_weights(name, source=arguments.source, tag=arguments.tag) for name in names if name in known]
    if not chosen:
        raise ValueError(f"none of the {len(names)} networks {arguments.pattern!r} has such weights")
    return chosen


def present(chosen: list[PublishedWeights]) -> list[PublishedWeights]:
    """Those that are downloads, or files of packages that are installed; says which others are left out.

    Raises:
      ModuleNotFoundError: It leaves none.
    """
    found, missing = [], {}
    for weights in chosen:
        try:
            if weights.package:
                weights_file(weights)
            found.append(weights)
        except ModuleNotFoundError as error:
            missing[weights.model] = error
    if not found:
        raise next(iter(missing.values()))
    for model, reason in missing.items():
        print(f"{model} is left out: {reason}", file=sys.stderr)
    return found


def measured(weights: PublishedWeights, source: ImageSource, arguments: Arguments) -> Result:
    """The errors of a network, unless they were measured before."""
    of = {"pretrained": json.loads(json.dumps(dataclasses.asdict(weights))), "path": None}
    for kept in reversed(read_results(arguments.output_dir)) if not (arguments.path or arguments.predictions) else ():
        if kept.config == of and (kept.split, kept.fingerprint) == (source.split, source.fingerprint):
            return kept
    return arguments.stored(lambda answered: evaluated(weights, source, arguments, answered))


def evaluated(
    weights: PublishedWeights, source: ImageSource, arguments: Arguments, answered: Answered | None
) -> Result:
    """The errors of a network, once they are in `results.jsonl`."""
    network = pretrained_classifier(weights.model, source=weights.source, tag=weights.tag, path=arguments.path)
    result = measure([network], source, network.config, answered=answered, **arguments.reading())
    append_result(arguments.output_dir, result)
    return result


def line(weights: PublishedWeights, result: Result) -> str:
    """What was measured, and what is published."""
    published = [f"{error:.2f}%" if error is not None else "none" for error in (weights.top1_error, weights.top5_error)]
    return (
        f"{weights.model}  {weights.source}:{weights.tag}  top-1 error {result.top1_error:.2f}% (published "
        f"{published[0]}), top-5 error {result.top5_error:.2f}% (published {published[1]}), {result.images} images of "
        f"{result.dataset}, split {result.split} ({result.protocol})"
    )


if __name__ == "__main__":
    command_line.run(main)
