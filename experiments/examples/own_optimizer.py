"""An optimizer of one's own: any chain of optax's, here AdamW with clipping and two rates."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import optax
import tyro

from cnn_evolution.evaluation.results import summary
from cnn_evolution.recipes import build, mini_recipe, smoke_recipe
from cnn_evolution.training import fit


def head_or_body(params: Any) -> Any:
    """Which of the two each parameter belongs to."""
    return jax.tree_util.tree_map_with_path(lambda path, _: "head" if path[0].key == "fc" else "body", params)


def adamw(rate: float, steps: int) -> optax.GradientTransformation:
    return optax.adamw(optax.warmup_cosine_decay_schedule(0.0, rate, steps // 10, steps), weight_decay=0.05)


def main(run_dir: Path = Path("runs/own_optimizer"), rate: float = 4e-3, quick: bool = False) -> None:
    task = build((smoke_recipe if quick else mini_recipe)("resnet18"))
    parts = {"head": adamw(rate, task.steps), "body": adamw(rate / 2, task.steps)}
    optimizer = optax.chain(optax.adaptive_grad_clip(0.02), optax.multi_transform(parts, head_or_body))
    # What tells the run from others is ours to say, since nothing can be read from an optimizer.
    task = dataclasses.replace(task, optimizer=optimizer, config={"of": task.config, "adamw": rate})
    print(summary(fit(task, run_dir)))


if __name__ == "__main__":
    tyro.cli(main)
