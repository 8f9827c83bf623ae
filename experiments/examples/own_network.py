"""A network of one's own: trained, resumed after whatever stopped it, evaluated."""

from pathlib import Path

import flax.linen as nn
import optax
import tyro
from jax import Array

from cnn_evolution.data import CenterCrop, FixedScaleCrop, open_source
from cnn_evolution.evaluation.results import summary
from cnn_evolution.training import RunOptions, Task, evaluate, fit


class ThreeLayers(nn.Module):
    """Convolutions with batch normalisation, then a linear classifier of the mean over all places."""

    classes: int
    width: int = 64

    @nn.compact
    def __call__(self, images: Array, *, train: bool = False) -> Array:
        x = images
        for factor in (1, 2, 4):
            x = nn.Conv(factor * self.width, (3, 3), strides=2, use_bias=False)(x)
            x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        return nn.Dense(self.classes)(nn.Dropout(0.1, deterministic=not train)(x.mean((1, 2))))


def main(run_dir: Path = Path("runs/own_network"), data: str = "mini_ilsvrc", steps: int = 600) -> None:
    train = open_source(data, "train")
    task = Task(
        model=ThreeLayers(train.num_classes),
        train=train,
        evaluation=open_source(data, "validation"),
        crop=FixedScaleCrop(size=48, resize=54),
        evaluation_crop=CenterCrop(size=48, resize=54),
        optimizer=optax.adamw(optax.cosine_decay_schedule(2e-3, steps)),
        steps=steps,
        batch_size=32,
    )
    fit(task, run_dir, RunOptions(log_every=10, checkpoint_every=0.1))  # epochs
    print(summary(evaluate(task, run_dir)))


if __name__ == "__main__":
    tyro.cli(main)
