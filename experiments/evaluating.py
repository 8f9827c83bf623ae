"""What the command lines that evaluate share."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnn_evolution.data import Workers
from cnn_evolution.evaluation.errors import Answered
from cnn_evolution.evaluation.predictions import Answer, Predictions, collecting, write_predictions
from cnn_evolution.evaluation.results import Result
from experiments.compilation_cache import Compiling


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluating(Compiling):
    """How images are read.

    Attributes:
      data_dir: Where prepared data sets lie; None for the default place.
      batch_size: Images per step over all devices; rounded up to a multiple of their number.
      workers: Processes that decode images; 0 decodes in threads of this process, "auto" chooses by its cores.
      max_corrupt: Images that may be left out because they cannot be read.
    """

    data_dir: Path | None = None
    batch_size: int = 100
    workers: Workers = "auto"
    max_corrupt: int = 0

    def reading(self) -> dict[str, Any]:
        """Those of them that every evaluation takes, by name."""
        return {"batch_size": self.batch_size, "workers": self.workers, "max_corrupt": self.max_corrupt}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Storing(Evaluating):
    """How images are read, and where answers go.

    Attributes:
      predictions: A file that gets each image's id, label, five most probable classes and their probabilities.
    """

    predictions: Path | None = None

    def stored(self, evaluate: Callable[[Answered | None], Result]) -> Result:
        """Evaluates, and stores what is answered if a file is named.

        Raises:
          OSError: It cannot be written; where its directory cannot be made, that is said before.
        """
        if self.predictions is None:
            return evaluate(None)
        self.predictions.parent.mkdir(parents=True, exist_ok=True)
        answers: dict[str, Answer] = {}
        result = evaluate(collecting(answers))
        write_predictions(self.predictions, Predictions(result, answers))
        return result
