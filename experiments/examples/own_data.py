"""Data of one's own, as arrays: the direction of stripes under noise."""

from pathlib import Path

import numpy as np
import optax
import tyro

import cnn_evolution as ce
from cnn_evolution.data import ArraySource, CenterCrop
from cnn_evolution.evaluation.results import summary
from cnn_evolution.training import RunOptions, Task, fit

DIRECTIONS = ("horizontal", "rising", "vertical", "falling")
SIZE = 32


def stripes(images: int, seed: int) -> ArraySource:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(DIRECTIONS), images)
    angle = np.pi / 4 * labels + rng.normal(0, 0.1, images)
    y, x = np.mgrid[:SIZE, :SIZE]
    across = np.cos(angle)[:, None, None] * y + np.sin(angle)[:, None, None] * x
    waves = np.sin(across * rng.uniform(0.6, 1.2, (images, 1, 1)) + rng.uniform(0, 6.28, (images, 1, 1)))
    noisy = 128 + 40 * waves[..., None] + rng.normal(0, 60, (images, SIZE, SIZE, 3))
    return ArraySource(noisy.clip(0, 255).astype(np.uint8), labels, DIRECTIONS, name="stripes", split=f"seed {seed}")


def main(run_dir: Path = Path("runs/own_data"), images: int = 4000, steps: int = 200) -> None:
    task = Task(
        model=ce.create_model("resnet18", num_classes=len(DIRECTIONS), width=0.25, input_size=SIZE),
        train=stripes(images, seed=0),
        evaluation=stripes(images // 4, seed=1),
        crop=CenterCrop(size=SIZE, resize=SIZE),
        optimizer=optax.sgd(optax.cosine_decay_schedule(0.05, steps), momentum=0.9),
        steps=steps,
        batch_size=32,
    )
    print(summary(fit(task, run_dir, RunOptions(log_every=10))))


if __name__ == "__main__":
    tyro.cli(main)
