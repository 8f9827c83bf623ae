"""Augmentation of one's own: one operation on images where they are decoded, one on whole batches on the device."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro

from cnn_evolution.evaluation.results import summary
from cnn_evolution.recipes import build, mini_recipe, smoke_recipe
from cnn_evolution.training import fit


@dataclasses.dataclass(frozen=True)
class Erase:
    """Fills a random square with noise (Zhong et al. 2020, "Random Erasing Data Augmentation")."""

    share: float = 0.3  # of the side

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        side = round(self.share * len(image))
        top, left = rng.integers(0, len(image) - side, 2)
        image = image.copy()
        image[top : top + side, left : left + side] = rng.integers(0, 256, (side, side, 3))
        return image


@dataclasses.dataclass(frozen=True)
class Contrast:
    """Draws each image's contrast. Equal ones share a compiled step: a frozen dataclass compares by its fields."""

    low: float = 0.6

    def __call__(self, key: jax.Array, batch: Any) -> Any:
        factor = jax.random.uniform(key, (len(batch["image"]), 1, 1, 1), minval=self.low, maxval=1.0)
        return batch | {"image": 0.5 + factor * (batch["image"] - 0.5)}


def main(run_dir: Path = Path("runs/own_augmentation"), quick: bool = False) -> None:
    task = build((smoke_recipe if quick else mini_recipe)("resnet18"))
    task = dataclasses.replace(task, image_operations=(Erase(),), batch_operations=(Contrast(),), config=None)
    print(summary(fit(task, run_dir)))


if __name__ == "__main__":
    tyro.cli(main)
