"""A loop of one's own: plain JAX around a network of the catalogue and the reader."""

from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import optax
import tyro

import cnn_evolution as ce
from cnn_evolution.data import CenterCrop, FixedScaleCrop, evaluation_batches, open_source, train_batches
from cnn_evolution.pixels import NORMALISATIONS, normalise


def main(data: str = "mini_ilsvrc", steps: int = 600, width: float = 0.5) -> None:
    source, scale = open_source(data, "train"), NORMALISATIONS["imagenet"]
    model = ce.create_model("resnet18", num_classes=source.num_classes, width=width, input_size=48)
    optimizer = optax.sgd(optax.cosine_decay_schedule(0.05, steps), momentum=0.9)
    variables = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 48, 48, 3)))

    def loss(params: Any, stats: Any, images: Any, labels: Any) -> Any:
        logits, new = model.apply({"params": params, **stats}, images, train=True, mutable=["batch_stats"])
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), new

    @jax.jit
    def step(params: Any, stats: Any, state: Any, images: Any, labels: Any) -> Any:
        grads, stats = jax.grad(loss, has_aux=True)(params, stats, normalise(images, *scale), labels)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), stats, state

    params, stats = variables["params"], {"batch_stats": variables["batch_stats"]}
    state = optimizer.init(params)
    for batch in islice(train_batches(source, batch_size=32, crop=FixedScaleCrop(48, 54), seed=0), steps):
        params, stats, state = step(params, stats, state, batch["image"], batch["label"])

    predict: Any = jax.jit(lambda images: model.apply({"params": params, **stats}, normalise(images, *scale)))
    validation = open_source(data, "validation")
    batches = evaluation_batches(validation, batch_size=100, crop=CenterCrop(48, 54))
    right = sum(int((predict(batch["image"]).argmax(-1) == batch["label"]).sum()) for batch in batches)
    print(f"top-1 error {100 * (1 - right / len(validation)):.2f}%")


if __name__ == "__main__":
    tyro.cli(main)
