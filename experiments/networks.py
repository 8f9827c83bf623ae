"""Networks with weights, as command lines name them."""

from pathlib import Path
from typing import Any

import cnn_evolution as ce
from cnn_evolution.pretrained import Pretrained
from cnn_evolution.pretrained.published import Choice, parse_pretrained


def load_network(text: str, **options: Any) -> Pretrained:
    """NAME, NAME:SOURCE, NAME:SOURCE:TAG, NAME:SOURCE:FILE or the directory of a run; options are those of `ce.load`.

    Raises:
      ValueError, OSError, ModuleNotFoundError: As `ce.load` and `parse_pretrained`.
    """
    if Path(text).expanduser().is_dir():
        return ce.load(path=text, **options)
    name, colon, weights = text.partition(":")
    choice = parse_pretrained(weights) if colon else Choice()
    return ce.load(name, **choice._asdict(), **options)
