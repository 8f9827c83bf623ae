"""What a network answers to each image, in a file: the result in its first line, then a line for each image."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn_evolution.evaluation.errors import Answered
from cnn_evolution.evaluation.results import Result
from cnn_evolution.files import write_whole
from cnn_evolution.jsonl import read_lines


class Answer(NamedTuple):
    """To one image.

    label: Its class.
    top5: The five most probable labels, the first first; none where a score was no finite number.
    probabilities: Theirs.
    """

    label: int
    top5: tuple[int, ...]
    probabilities: tuple[float, ...]

    def is_wrong(self, k: int) -> bool:
        """Whether the label is not among the first `k`."""
        return self.label not in self.top5[:k]


@dataclasses.dataclass(frozen=True)
class Predictions:
    """The answers of a network, or of an ensemble.

    Attributes:
      result: The errors that follow from them, and what they are of.
      answers: By the image's id (`ImageSource.image_id`).
    """

    result: Result
    answers: Mapping[str, Answer]


def collecting(answers: dict[str, Answer]) -> Answered:
    """What `evaluate_errors` can hand answers to, which adds them to `answers`."""

    def add(ids: Sequence[str], labels: NDArray[np.int32], probabilities: NDArray[np.float32]) -> None:
        for image, label, row in zip(ids, labels, probabilities, strict=True):
            best: list[int] = []
            if np.isfinite(row).all():
                best = np.argsort(-row, kind="stable")[:5].tolist()  # of equal ones the first first
            answers[image] = Answer(int(label), tuple(best), tuple(row[best].tolist()))

    return add


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Writes JSON lines, all or none.

    Raises:
      OSError: The file cannot be written.
    """
    lines = [
        dataclasses.asdict(predictions.result),
        *({"id": image, **answer._asdict()} for image, answer in predictions.answers.items()),
    ]
    write_whole(path, "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode())


def read_predictions(path: Path) -> Predictions:
    """Reads what `write_predictions` wrote.

    Raises:
      FileNotFoundError: There is no such file.
      ValueError: It holds something else, or a part of it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file of predictions {path}; experiments.evaluate --predictions writes one")
    records = read_lines(path)
    try:
        result = Result(**records[0])
        answers = {
            one["id"]: Answer(one["label"], tuple(one["top5"]), tuple(one["probabilities"])) for one in records[1:]
        }
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no file of predictions") from error
    if len(answers) != result.images:
        raise ValueError(f"{path} holds the answers to {len(answers)} images, of {result.images}")
    return Predictions(result, answers)
