"""Measures how fast photographs are classified, from files to probabilities: this package and PyTorch, side by side.

    python -m experiments.classify_speed photos/
    python -m experiments.classify_speed --examples --images 100

Both take the same files, Pillow's decoder and crop, and the same network with the same weights, and must answer alike.
PyTorch's best setting counts, of both memory layouts, and of reading in a plain loop or in its DataLoader's processes,
which stay alive. Each contender has a process of its own. All run once unmeasured, and then take turns; the median over
the rounds counts. PyTorch, torchvision and, for EfficientNet-Lite, timm must be installed.
"""

import dataclasses
import functools
import itertools
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import tyro
from numpy.typing import NDArray

import cnn_evolution as ce
from cnn_evolution.cpu_settings import prefer_eigen
from cnn_evolution.data import CenterCrop
from experiments import command_line
from experiments.benchmark import environment
from experiments.classify import examples, files, whole
from experiments.contenders import torch_network, torch_source
from experiments.networks import load_network

BATCH = 32  # images that PyTorch computes together
Run = Callable[[], NDArray[np.float32]]
"""Classifies all photographs; gives their probabilities (N, classes)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """A comparison.

    Attributes:
      photos: Files, and folders, of which all images are taken.
      examples: Also take scikit-image's photographs, as `experiments.classify`.
      network: As for `experiments.classify`, one of published weights that PyTorch's libraries have, too.
      images: How many photographs are classified; those that are named take turns.
      rounds: Measurements of every setting.
    """

    photos: tyro.conf.Positional[tuple[Path, ...]] = ()
    examples: bool = False
    network: str = "efficientnet_lite0"
    images: int = 100
    rounds: int = 5


def main() -> None:
    arguments = tyro.cli(
        Arguments, prog="python -m experiments.classify_speed", description=command_line.described(__doc__)
    )
    named = [*files(arguments.photos), *(examples() if arguments.examples else ())]
    if not named or arguments.images < 1 or arguments.rounds < 1:
        raise ValueError("there is nothing to measure; expected photographs, or --examples, and numbers above 0")
    if torch_source(arguments.network.partition(":")[0]) is None:
        raise ValueError(f"PyTorch takes no part: it or its {arguments.network!r} is not installed")
    photos = list(itertools.islice(itertools.cycle(named), arguments.images))
    seconds = measured(arguments.network, photos, arguments.rounds)
    rates = {setting: len(photos) / statistics.median(times) for setting, times in seconds.items()}
    for setting, rate in rates.items():
        print(f"{setting:30} {rate:7.1f} images/s")
    best = max(rate for setting, rate in rates.items() if setting != "ours")
    print(f"ours is {rates['ours'] / best:.2f} times as fast as PyTorch's best")


def measured(network: str, photos: Sequence[Path], rounds: int) -> dict[str, list[float]]:
    """Seconds that every setting takes, in every round.

    Raises:
      ValueError: The answers are not the same.
    """
    context = multiprocessing.get_context("spawn")
    with (
        patch.dict(os.environ, environment()),
        ProcessPoolExecutor(1, context) as one,
        ProcessPoolExecutor(1, context) as other,
    ):
        process = {
            setting: pool
            for pool, contender in ((one, ours), (other, torch))
            for setting in pool.submit(prepare, contender, network, photos).result()
        }
        answers = {setting: pool.submit(answer, setting).result() for setting, pool in process.items()}
        for setting, found in answers.items():
            if not np.allclose(found, answers["ours"], rtol=1e-2, atol=1e-4):
                raise ValueError(
                    f"{setting} answers otherwise: up to {np.abs(found - answers['ours']).max():.3g} apart"
                )
        rows = [
            {setting: pool.submit(timed, setting).result() for setting, pool in process.items()} for _ in range(rounds)
        ]
    return {setting: [row[setting] for row in rows] for setting in process}


_runs: dict[str, Run] = {}  # of this process


def prepare(
    contender: Callable[[str, Sequence[Path]], Mapping[str, Run]], network: str, photos: Sequence[Path]
) -> list[str]:
    """Makes a contender ready in this process; returns its settings."""
    _runs.update(contender(network, photos))
    return list(_runs)


def answer(setting: str) -> NDArray[np.float32]:
    return _runs[setting]()


def timed(setting: str) -> float:
    start = time.perf_counter()
    _runs[setting]()
    return time.perf_counter() - start


def ours(name: str, photos: Sequence[Path]) -> Mapping[str, Run]:
    """This package."""
    prefer_eigen()
    network = load_network(name)
    return {"ours": lambda: network.probabilities(photos, upright=True)}


def torch(name: str, photos: Sequence[Path]) -> Mapping[str, Run]:
    """PyTorch in its four settings."""
    import torch
    from torch.utils.data import DataLoader

    network = load_network(name)
    model = name.partition(":")[0]
    library = (torch_source(model) or "").split()[0]
    state_dict = {
        key: torch.from_numpy(np.array(array))
        for key, array in ce.to_torch(model, network.variables, source=library).items()
    }
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in network.pixels)

    def run(peer: Any, layout: Any, reader: Any) -> NDArray[np.float32]:
        with torch.inference_mode():
            batches = (images.permute(0, 3, 1, 2).contiguous(memory_format=layout) for images in reader)
            rows = [torch.softmax(peer((images / 255 - mean) / std), -1).numpy() for images in batches]
        return np.concatenate(rows)

    runs = {}
    for workers in (0, os.cpu_count() or 1):
        kept: dict[str, Any] = {"multiprocessing_context": "spawn", "persistent_workers": True} if workers else {}
        reader: Any = DataLoader(Photographs(photos, network.crop), BATCH, num_workers=workers, **kept)  # type: ignore[arg-type]
        for layout in ("channels_last", "contiguous_format"):
            peer = torch_network(model).eval().to(memory_format=getattr(torch, layout))
            peer.load_state_dict(state_dict)
            setting = f"torch {layout}, {workers} workers"
            runs[setting] = functools.partial(run, peer, getattr(torch, layout), reader)
    return runs


@dataclasses.dataclass(frozen=True)
class Photographs:
    """Crops (S, S, 3) as PyTorch's DataLoader asks for them."""

    photos: Sequence[Path]
    crop: CenterCrop

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return self.crop(whole(self.photos[index])).copy()  # which PyTorch may write to


if __name__ == "__main__":
    command_line.run(main)
