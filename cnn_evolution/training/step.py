"""One optimiser step, as a pure function of one replica's state and share of the batch."""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import Array, lax

from cnn_evolution.data import present
from cnn_evolution.parallel import AXIS
from cnn_evolution.pixels import Pixels, normalise
from cnn_evolution.training.augment import cutmix, mixup, one_hot_smoothed, pca_colour_noise
from cnn_evolution.training.recipe import AugmentConfig, Recipe
from cnn_evolution.training.state import TrainState

Batch = Mapping[str, Array]
Metrics = dict[str, Array]


def augment(
    key: Array, batch: Batch, config: AugmentConfig, num_classes: int, smoothing: float, pixels: Pixels
) -> tuple[Array, Array]:
    """A batch as read -> normalised images (N, H, W, 3) and soft targets (N, num_classes).

    The targets of an absent row are all zero.
    """
    keys = jax.random.split(key, 4)
    images = batch["image"]
    if config.pca_noise:
        images = pca_colour_noise(keys[0], images, config.pca_noise)
    images = normalise(images, *pixels)
    targets = one_hot_smoothed(batch["label"], num_classes, smoothing)
    mixed = mixup(keys[1], images, targets, config.mixup) if config.mixup else (images, targets)
    cut = cutmix(keys[2], images, targets, config.cutmix) if config.cutmix else (images, targets)
    if config.mixup and config.cutmix:
        choice = jax.random.bernoulli(keys[3])
        return jax.tree.map(lambda a, b: jnp.where(choice, a, b), mixed, cut)
    return mixed if config.mixup else cut


def summed_loss(
    model: nn.Module, params: Any, batch_stats: Any, images: Array, targets: Array, key: Array, aux_weight: float
) -> tuple[Array, tuple[Any, Array]]:
    """Cross-entropy summed over the images, auxiliary classifiers included; new statistics; logits (N, classes)."""
    logits, new = model.apply(
        {"params": params, "batch_stats": batch_stats},
        images,
        train=True,
        rngs={"dropout": key},
        mutable=["batch_stats", "aux_logits"],
    )
    loss = optax.softmax_cross_entropy(logits, targets).sum()
    for auxiliary in jax.tree.leaves(new.get("aux_logits", {})):
        loss += aux_weight * optax.softmax_cross_entropy(auxiliary.astype(jnp.float32), targets).sum()
    return loss, (new.get("batch_stats", {}), logits)


def make_train_step(
    model: nn.Module,
    pixels: Pixels,
    recipe: Recipe,
    optimizer: optax.GradientTransformation,
    schedule: optax.Schedule,
    num_classes: int,
) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
    """The per-replica step; it must run under the axis `AXIS`. Errors among its metrics are in percent.

    The loss is the mean over all images of the global batch, so with synchronised batch statistics the result does not
    depend on how the batch is split over devices; dropout masks and colour noise are drawn per replica. A batch is
    `{"image": uint8 (N, H, W, 3), "label": int32 (N,)}`; absent rows carry no weight.
    """
    parts = recipe.accumulate_steps

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(recipe.seed), state.step)
        key = jax.random.fold_in(key, lax.axis_index(AXIS))
        count = lax.psum(present(batch["label"]).sum(), AXIS)

        def part(carry: tuple[Any, Any, Metrics], x: tuple[Array, Batch]) -> tuple[tuple[Any, Any, Metrics], None]:
            grads, batch_stats, sums = carry
            key, batch = x
            noise_key, dropout_key = jax.random.split(key)
            images, targets = augment(noise_key, batch, recipe.augment, num_classes, recipe.label_smoothing, pixels)
            (loss, (batch_stats, logits)), new = jax.value_and_grad(summed_loss, argnums=1, has_aux=True)(
                model, state.params, batch_stats, images, targets, dropout_key, recipe.aux_weight
            )
            wrong = present(batch["label"]) & (logits.argmax(-1) != batch["label"])
            sums = {"loss": sums["loss"] + loss, "top1_wrong": sums["top1_wrong"] + wrong.sum()}
            return (jax.tree.map(jnp.add, grads, new), batch_stats, sums), None

        zeros = {"loss": jnp.zeros(()), "top1_wrong": jnp.zeros((), jnp.int32)}
        carry = (jax.tree.map(jnp.zeros_like, state.params), state.batch_stats, zeros)
        keys = jax.random.split(key, parts)
        if parts == 1:
            carry, _ = part(carry, (keys[0], batch))
        else:
            split = jax.tree.map(lambda x: x.reshape(parts, x.shape[0] // parts, *x.shape[1:]), batch)
            carry, _ = lax.scan(part, carry, (keys, split))
        grads, batch_stats, sums = carry

        grads = jax.tree.map(lambda g: g / count, lax.psum(grads, AXIS))
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        sums = lax.psum(sums, AXIS)
        metrics = {
            "loss": sums["loss"] / count,
            "top1_error": 100 * sums["top1_wrong"] / count,
            "learning_rate": jnp.asarray(schedule(state.step)),
            "gradient_norm": optax.tree.norm(grads),
        }
        new = TrainState(
            step=state.step + 1,
            params=params,
            batch_stats=lax.pmean(batch_stats, AXIS),
            opt_state=opt_state,
            ema_params=_averaged(state, params, recipe.ema_decay),
        )
        return new, metrics

    return step


def _averaged(state: TrainState, params: Any, decay: float) -> Any:
    """The moving average; its decay grows from 0.1 so that the first weights are soon forgotten (as TensorFlow's)."""
    if state.ema_params is None:
        return None
    kept = jnp.minimum(decay, (1 + state.step) / (10 + state.step))
    return optax.incremental_update(params, state.ema_params, 1 - kept)
