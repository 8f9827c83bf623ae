"""How command lines name a network with weights."""

import os
from pathlib import Path
from typing import Any

import cnn_evolution as ce
from cnn_evolution.pretrained import Pretrained
from cnn_evolution.pretrained.published import Choice, parse_pretrained


def load_network(text: str, **options: Any) -> Pretrained:
    """The network that a command line names.

    Args:
      text: NAME, NAME:SOURCE, NAME:SOURCE:TAG or NAME:SOURCE:FILE for published weights, or the directory of a run. A
        directory that is called as a network is written with a slash: `./resnet18`.
      **options: Of `cnn_evolution.load`.

    Raises:
      FileNotFoundError: It is a path, but there is no directory.
      ValueError: It names no network or no weights; says the nearest. Or as `cnn_evolution.load`.
      OSError, ModuleNotFoundError: As `cnn_evolution.load`.
    """
    name, colon, weights = text.partition(":")
    if name not in ce.list_models():
        path = Path(text).expanduser()
        if path.is_dir():
            return ce.load(path=path, **options)
        if os.sep in name:
            raise FileNotFoundError(f"there is no directory of a run {text}")
    ce.model_info(name)
    choice = parse_pretrained(weights) if colon else Choice()
    return ce.load(name, **choice._asdict(), **options)
