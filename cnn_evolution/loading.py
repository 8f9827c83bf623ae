"""Networks with weights: those that zoos publish, and those of runs trained here."""

from pathlib import Path
from typing import Any

from jax import Array

from cnn_evolution import pretrained
from cnn_evolution.addresses import local_path
from cnn_evolution.needed import needed_for
from cnn_evolution.pretrained import Pretrained


def load(
    name: str | None = None,
    *,
    source: str | None = None,
    tag: str | None = None,
    path: Path | str | None = None,
    num_classes: int | None = None,
    key: Array | None = None,
    cache_dir: Path | str | None = None,
    **options: Any,
) -> Pretrained:
    """A network with published weights, installed or downloaded on first use, or with those of a run trained here.

    Published weights may fill another network than the published one: see `pretrained.load`, whose arguments these are.

    Args:
      name: A name from `list_models`; of a run, None or the network's name, which is checked.
      source: The zoo whose weights they are; None for the first that `pretrained_weights(name)` lists. A file needs it.
      tag: Which of the zoo's; None for its first.
      path: A local file of the zoo's state dict, instead of a download, or the directory of a run, whose newest
        checkpoint is read, and whose data are not opened.
      num_classes: None keeps the classes of the weights and 0 drops the classifiers. For any other number than the
        weights have, the body is kept and the classifiers start anew.
      key: Draws new classifiers; None for `jax.random.key(0)`.
      cache_dir: Where downloads are kept; None for $CNN_EVOLUTION_WEIGHTS, or ~/.cache/cnn_evolution/weights.
      **options: Options of `create_model`. With `input_size` the crop is scaled to it.

    Raises:
      ValueError: No such weights are known, the file does not hold them or does not fill the network, a file comes
        without its source or its network's name, or a run with arguments that it cannot take; says what there is.
      FileNotFoundError: There is no file, and no run, at `path`; or the run has no checkpoint.
      OSError: The download failed, or an installed package has another file than the published one.
      ModuleNotFoundError: A package that is needed, or that holds the weights, is not installed; says which.
    """
    arguments: dict[str, Any] = {
        "source": source,
        "tag": tag,
        "num_classes": num_classes,
        "key": key,
        "cache_dir": cache_dir,
    }
    where = None if path is None else local_path(path, "file or run").expanduser()
    if where is not None and where.is_dir():
        given = [word for word, value in arguments.items() if value is not None] + list(options)
        return _of_run(where, name, given)
    if where is not None and not where.exists():
        raise FileNotFoundError(f"there is no weights file {where}, and no directory of a run either")
    if name is None:
        asked = "load" if where is None else f"{where}, a file of weights,"
        raise ValueError(f"{asked} needs the network's name; only the directory of a run says which it is of")
    return pretrained.load(name, path=where, **arguments, **options)


def _of_run(run_dir: Path, name: str | None, given: list[str]) -> Pretrained:
    """The network of a run.

    Raises:
      ValueError: It is another network's, or arguments are given that a run decides.
    """
    if given:
        raise ValueError(
            f"{run_dir} is a run, whose network is built as it was trained; it takes no {', '.join(given)}"
        )
    with needed_for("loading a run"):
        from cnn_evolution.recipes.runs import load_network

        return load_network(run_dir, name)
