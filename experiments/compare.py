"""Compares two networks image by image.

    python -m experiments.compare runs/mini-resnet18 runs/mini-vgg11_bn
    python -m experiments.compare resnet18.jsonl vgg11_bn.jsonl

Each is a file of predictions, as `experiments.evaluate` and `experiments.evaluate_pretrained` write them with
`--predictions`, or the directory of a run, whose newest checkpoint is then evaluated. Both must be on the same images.
For the top-1 and the top-5 error it prints how many images each network alone has right, McNemar's exact test and the
interval of the difference. That is what these images tell of these two networks; other seeds differ by more.
"""

import dataclasses
from pathlib import Path

import tyro

from cnn_evolution.data import first_difference
from cnn_evolution.evaluation.intervals import LEVEL, Comparison, compare
from cnn_evolution.evaluation.predictions import Answer, Predictions, collecting, read_predictions
from cnn_evolution.recipes import evaluate_runs
from experiments import command_line
from experiments.evaluating import Evaluating


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Evaluating):
    """A comparison.

    Attributes:
      first: A file of predictions, or the directory of a run.
      second: Likewise.
      split: Split to evaluate runs on; None for the evaluation split of their recipes.
      images: So many images that only one of them has right are listed, for each.
    """

    first: tyro.conf.Positional[Path]
    second: tyro.conf.Positional[Path]
    split: str | None = None
    images: int = 3


def main() -> None:
    arguments = tyro.cli(Arguments, prog="python -m experiments.compare", description=command_line.described(__doc__))
    arguments.keep_programs()
    first, second = (predictions_of(path, arguments) for path in (arguments.first, arguments.second))
    check_comparable(first, second)
    for name, one in (("first", first), ("second", second)):
        result = one.result
        print(f"{name:6}  {result.model}  {result.dataset}, split {result.split} ({result.protocol})")
    for k in (1, 5):
        print("\n".join(report(k, compare(first.answers, second.answers, k))))
    for name, one, other in (("first", first, second), ("second", second, first)):
        print("\n".join(only_right(name, one, other, arguments.images)))


def predictions_of(path: Path, arguments: Arguments) -> Predictions:
    """Those in a file, or of the run in a directory."""
    if not path.is_dir():
        return read_predictions(path)
    answers: dict[str, Answer] = {}
    result = evaluate_runs(
        [path],
        split=arguments.split,
        data_dir=arguments.data_dir,
        answered=collecting(answers),
        **arguments.reading(),
    )
    return Predictions(result, answers)


def check_comparable(first: Predictions, second: Predictions) -> None:
    """Raises ValueError unless both are of the same images with the same labels."""
    ours, theirs = first.result, second.result
    if (label := first_difference(ours.classes, theirs.classes)) is not None:
        names = [one.classes[label] if label < len(one.classes) else "none" for one in (ours, theirs)]
        raise ValueError(f"the two are on different classes: label {label} is {names[0]!r} and {names[1]!r}")
    if ours.fingerprint != theirs.fingerprint:
        raise ValueError(
            f"the two are on different images: {ours.dataset}, split {ours.split} ({ours.images}, fingerprint "
            f"{ours.fingerprint}) and {theirs.dataset}, split {theirs.split} ({theirs.images}, {theirs.fingerprint})"
        )
    if not first.answers.keys() & second.answers.keys():
        raise ValueError("the two have no image in common")
    for name, one, other in (("first", first, second), ("second", second, first)):
        if alone := sorted(one.answers.keys() - other.answers.keys()):
            print(f"{len(alone)} images are left out, since only the {name} has an answer: {', '.join(alone[:3])}")


def report(k: int, found: Comparison) -> list[str]:
    """The comparison of the top-k errors, in words."""
    errors = [100 * (found.both_wrong + one) / found.images for one in (found.only_second, found.only_first)]
    low, high = found.interval
    better = "first" if low > 0 else "second"
    verdict = "no difference that these images show" if low <= 0 <= high else f"the {better} is better on these images"
    return [
        f"top-{k} error {errors[0]:.2f}% and {errors[1]:.2f}% of {found.images} images: {found.both_right} both right, "
        f"{found.only_first} the first only, {found.only_second} the second only, {found.both_wrong} none",
        f"  difference {found.difference:+.2f} points, {LEVEL:.0%} interval {low:+.2f} to {high:+.2f}, McNemar's "
        f"p = {found.p_value:.2g}: {verdict}",
    ]


def only_right(name: str, one: Predictions, other: Predictions, count: int) -> list[str]:
    """The first few images that one network alone has right, and what the other takes them for."""
    classes = one.result.classes
    lines: list[str] = []
    for image, answer in one.answers.items():
        theirs = other.answers.get(image)
        if len(lines) < count and theirs and theirs.is_wrong(1) and not answer.is_wrong(1):
            taken = classes[theirs.top5[0]] if theirs.top5 else "no number"
            lines.append(f"the {name} only: {image}, {classes[answer.label]}; the other says {taken}")
    return lines


if __name__ == "__main__":
    command_line.run(main)
