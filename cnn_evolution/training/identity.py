"""What a run is a run of, as JSON: stored once in its directory, and compared with what is asked of it later.

A run is refused under another task, or on other classes; where the classes are the same and the images are not, it is
said. Each checkpoint holds it too, so one that was brought from elsewhere is found out.
"""

import dataclasses
import functools
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from cnn_evolution.data import ImageSource, RecordedSource, first_difference
from cnn_evolution.parallel import decided_by_first, highest
from cnn_evolution.training.checkpoint import steps_of
from cnn_evolution.training.task import Task

FILE = "config.json"
log = logging.getLogger(__name__)


def identity(task: Task) -> dict[str, Any]:
    """The task's `config`, or a description of its fields, a hash of what is frozen, and the data.

    Raises:
      ValueError: `config` is no JSON.
    """
    config = described(task) if task.config is None else task.config
    try:
        known = {"task": config, "frozen": tree_hash(task.frozen), "data": data_of(task)}
        return json.loads(json.dumps(known, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the task's config cannot be stored as JSON: {error}") from error


def data_of(task: Task) -> dict[str, Any]:
    """Class names, and of both sources name, split, number of images and fingerprint."""
    sources = {"train": task.train, "evaluation": task.evaluation}
    return {"classes": task.train.class_names} | {
        key: {"name": one.name, "split": one.split, "images": len(one), "fingerprint": one.fingerprint}
        for key, one in sources.items()
    }


def recorded_sources(run: Mapping[str, Any]) -> tuple[ImageSource, ImageSource]:
    """The two sources of `data_of` again, but for the images: enough for a task that is evaluated on others."""
    data = run["data"]

    def source(name: str, split: str, images: int, fingerprint: str) -> ImageSource:
        return RecordedSource(name, split, data["classes"], images, fingerprint)

    return source(**data["train"]), source(**data["evaluation"])


def described(value: Any) -> Any:
    """Dataclasses, Flax modules among them, by their fields; functions by their names; no arrays and no sources."""
    left_out: tuple[str, ...] = ()
    if isinstance(value, Task):
        left_out = ("train", "evaluation", "init", "frozen", "config", "optimizer")
        left_out += () if value.frozen_params else ("frozen_params",)  # which earlier versions do not know
    elif isinstance(value, nn.Module):
        left_out = ("parent", "name")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: described(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name not in left_out
        }
        return {"type": type(value).__qualname__, **fields}
    if isinstance(value, functools.partial):
        return {"type": described(value.func), "arguments": described(value.args), **described(value.keywords)}
    if isinstance(value, Mapping):
        return {str(key): described(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [described(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(described(one) for one in value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(getattr(value, "__qualname__", type(value).__qualname__))


def tree_hash(tree: Any) -> str | None:
    """A hash of the names, types, shapes and values of a tree's arrays; None for an empty tree."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    digest = hashlib.sha256()
    for path, leaf in leaves:
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()[:16] if leaves else None


def check_same(ours: Mapping[str, Any], theirs: Mapping[str, Any], run_dir: Path) -> None:
    """Compares two identities, of which `theirs` was found in a directory.

    Raises:
      ValueError: They are of two tasks, whose differing fields are named, or of other classes.
    """
    if lines := differences({**ours, "data": None}, {**theirs, "data": None}):
        raise ValueError(
            f"{run_dir} holds a run of another task; choose another directory, or the same task again. "
            "They differ in (yours against that run's): " + "; ".join(lines)
        )
    check_classes(ours["data"]["classes"], theirs["data"]["classes"], run_dir)


def check_classes(ours: Sequence[str], theirs: Sequence[str], run_dir: Path) -> None:
    """Raises ValueError, with both lists, unless they are the same classes in the same order."""
    if (label := first_difference(ours, theirs)) is not None:
        lists = [f"{len(one)} ({', '.join(one[:20])}{', ...' * (len(one) > 20)})" for one in (ours, theirs)]
        raise ValueError(
            f"{run_dir} holds a run on other classes. They differ from label {label} on "
            f"(yours against that run's): {' against '.join(lists)}"
        )


def check_processes_agree(config: dict[str, Any]) -> None:
    """Raises ValueError, in every process, unless all have the same task and the same images."""
    lines = differences(config, decided_by_first(lambda: config))
    if highest(len(lines)):
        found = "; ".join(lines) or "another one says in what"
        raise ValueError(
            f"the processes of this run have different tasks or images; process {jax.process_index()} differs from the "
            f"first in (its own against the first's): {found}"
        )


def say_other_images(ours: Mapping[str, Any], theirs: Mapping[str, Any], run_dir: Path) -> None:
    """Warns where two identities' data differ."""
    if lines := differences(ours["data"], theirs["data"]):
        log.warning("%s was trained on other images of these classes: %s", run_dir, "; ".join(lines))


def read_identity(run_dir: Path) -> dict[str, Any]:
    """What a directory's run is of.

    Raises:
      FileNotFoundError: The directory holds no run.
      ValueError: It holds a run of an older version.
    """
    path = run_dir / FILE
    if path.exists():
        return json.loads(path.read_text())
    if steps_of(run_dir / "checkpoints") or (run_dir / "recipe.json").exists():
        raise ValueError(
            f"{run_dir} holds a run of an older version, without {FILE}, whose checkpoints cannot be read; "
            "choose another directory"
        )
    raise FileNotFoundError(f"{run_dir} holds no run (it has no {FILE})")


def as_json(ours: Mapping[str, Any]) -> bytes:
    """What is stored in a run's directory."""
    return (json.dumps(ours, indent=2) + "\n").encode()


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], path: str = "") -> list[str]:
    """The fields in which two nested mappings differ, as `"optimizer.learning_rate: 0.1 against 0.2"`."""
    lines: list[str] = []
    for name in {**ours, **theirs}:
        a, b = ours.get(name, "nothing"), theirs.get(name, "nothing")
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            lines += differences(a, b, f"{path}{name}.")
        elif a != b:
            lines.append(f"{path}{name}: {a!r} against {b!r}")
    return lines
