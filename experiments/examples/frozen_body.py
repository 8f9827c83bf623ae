"""A head over a frozen body: what remains of the shape where another class's texture covers it?"""

import dataclasses
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import optax
import tyro

from cnn_evolution.data import open_source
from cnn_evolution.evaluation.results import summary
from cnn_evolution.recipes import load_run, mini_recipe, smoke_recipe, train
from cnn_evolution.training import fit


def main(run_dir: Path = Path("runs/frozen_body"), quick: bool = False) -> None:
    train((smoke_recipe if quick else mini_recipe)("resnet18"), run_dir / "body")
    trained, state = load_run(run_dir / "body")
    body = trained.model.clone(num_classes=0)  # it gives what its last layer would see
    features, data = state.params["fc"]["kernel"].shape[0], trained.train.name
    shapes = open_source(data, "cue_conflict[:80%]", label="shape")
    head = nn.Dense(shapes.num_classes)

    def logits(variables: Any, images: Any, frozen: Any) -> Any:
        return head.apply(variables, body.apply(frozen, images))

    def objective(params: Any, model_state: Any, batch: Any, key: Any, step: Any, frozen: Any) -> Any:
        loss = optax.softmax_cross_entropy(logits({"params": params}, batch["image"], frozen), batch["target"])
        return loss.sum(), (model_state, {})

    task = dataclasses.replace(
        trained,
        name="shape",
        model=head,
        init=lambda key: head.init(key, jnp.zeros((1, features))),
        frozen=state.variables(),
        objective=objective,
        predict=logits,
        train=shapes,
        evaluation=open_source(data, "cue_conflict[80%:]", label="shape"),
        optimizer=optax.adamw(1e-3),
        config=None,
    )
    print(summary(fit(task, run_dir / "head")))


if __name__ == "__main__":
    tyro.cli(main)
