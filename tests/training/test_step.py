import dataclasses

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnn_evolution.parallel import AXIS, map_step, split_over_devices
from cnn_evolution.pixels import Pixels
from cnn_evolution.training.optimizer import make_optimizer, make_schedule
from cnn_evolution.training.recipe import AugmentConfig, ModelConfig, OptimizerConfig, Recipe, ScheduleConfig
from cnn_evolution.training.state import init_state
from cnn_evolution.training.step import make_train_step

PIXELS = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
RECIPE = Recipe(
    model=ModelConfig(name="alexnet"),
    augment=AugmentConfig(flip=False),
    optimizer=OptimizerConfig(learning_rate=0.1, momentum=0.9, weight_decay=0.0),
    schedule=ScheduleConfig(name="constant"),
    batch_size=8,
)


class Network(nn.Module):
    """A linear classifier of mean colours, with batch normalisation and an auxiliary classifier on demand."""

    batch_norm: bool = False
    auxiliary: bool = False
    axis_name: str | None = None

    @nn.compact
    def __call__(self, images, *, train=False):
        x = images.mean((1, 2))
        if self.batch_norm:
            x = nn.BatchNorm(not train, momentum=0.9, axis_name=self.axis_name)(x)
        if self.auxiliary:
            logits = nn.Dense(5, name="aux")(x)
            if not self.is_initializing() and self.is_mutable_collection("aux_logits"):
                self.put_variable("aux_logits", "aux", logits)
        return nn.Dense(5, name="fc")(x)


def batch(labels, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "image": rng.integers(0, 256, (len(labels), 4, 4, 3), dtype=np.uint8),
        "label": np.array(labels, np.int32),
    }


def run(batches, recipe=RECIPE, model=None, devices=2):
    """The state and the last metrics after a step on each batch."""
    model = model or Network()
    schedule = make_schedule(recipe.schedule, recipe.optimizer.learning_rate, 1, 10)
    optimizer = make_optimizer(recipe.optimizer, schedule)
    state = init_state(model, optimizer, recipe.seed, 4, ema=recipe.ema_decay > 0)
    step = make_train_step(model, PIXELS, recipe, optimizer, schedule, 5)
    if devices == 2:
        mapped, split = map_step(step), split_over_devices
    else:
        mapped = jax.pmap(
            step, axis_name=AXIS, in_axes=(None, 0), out_axes=(None, None), devices=jax.devices()[:devices]
        )
        split = lambda b: jax.tree.map(lambda x: x[None], b)  # noqa: E731
    for b in batches:
        state, metrics = mapped(state, split(b))
    return jax.device_get(state), jax.device_get(metrics)


BATCHES = [batch([0, 1, 2, 3, 4, 0, 1, 2], seed) for seed in range(3)]


@pytest.mark.parametrize("model", [Network(), Network(batch_norm=True, axis_name=AXIS)], ids=["plain", "synchronised"])
def test_two_devices_compute_what_one_computes(model):
    one, two = run(BATCHES, model=model, devices=1), run(BATCHES, model=model, devices=2)
    chex.assert_trees_all_close(one, two, rtol=1e-4, atol=1e-6)


def test_batch_statistics_of_replicas_are_averaged_unless_synchronised():
    model = Network(batch_norm=True)
    state, _ = run(BATCHES[:1], model=model)
    images = (BATCHES[0]["image"] / 255 - np.array(PIXELS.mean)) / np.array(PIXELS.std)
    halves = images.mean((1, 2)).reshape(2, 4, 3)
    stats = state.batch_stats["BatchNorm_0"]
    np.testing.assert_allclose(stats["mean"], 0.1 * halves.mean(1).mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * halves.var(1).mean(0), rtol=1e-4)


def test_the_update_is_the_gradient_of_the_mean_cross_entropy():
    model = Network()
    params = init_state(model, optax.identity(), 0, 4).params
    images = jnp.asarray((BATCHES[0]["image"] / 255 - np.array(PIXELS.mean)) / np.array(PIXELS.std), jnp.float32)

    def loss(params):
        logits = model.apply({"params": params}, images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, BATCHES[0]["label"]).mean()

    value, grads = jax.value_and_grad(loss)(params)
    state, metrics = run(BATCHES[:1])
    np.testing.assert_allclose(metrics["loss"], value, rtol=1e-5)
    np.testing.assert_allclose(metrics["gradient_norm"], optax.tree.norm(grads), rtol=1e-5)
    chex.assert_trees_all_close(state.params, jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), rtol=1e-4)


def test_rows_without_an_image_carry_no_weight():
    whole = batch([0, 1, 2, 3])
    padded = {name: np.concatenate([x, np.zeros_like(x)]) for name, x in whole.items()}
    padded["label"][4:] = -1
    padded = {name: x[[0, 4, 1, 5, 2, 6, 3, 7]] for name, x in padded.items()}
    chex.assert_trees_all_close(run([whole]), run([padded]), rtol=1e-5)


def test_a_batch_in_parts_gives_the_same_step():
    parts = dataclasses.replace(RECIPE, accumulate_steps=4)
    chex.assert_trees_all_close(run(BATCHES), run(BATCHES, parts), rtol=1e-4, atol=1e-6)


def test_auxiliary_losses_are_weighted():
    def loss(weight):
        return run(BATCHES[:1], dataclasses.replace(RECIPE, aux_weight=weight), Network(auxiliary=True))[1]["loss"]

    np.testing.assert_allclose(loss(1.0) - loss(0.0), 2 * (loss(0.5) - loss(0.0)), rtol=1e-4)
    assert loss(1.0) > loss(0.0) + 0.5


def test_the_moving_average_follows_the_parameters_and_is_what_evaluation_uses():
    recipe = dataclasses.replace(RECIPE, ema_decay=0.999)
    states = [run(BATCHES[:n], recipe)[0] for n in (1, 2)]
    start = init_state(Network(), optax.identity(), 0, 4).params
    expected = jax.tree.map(lambda a, b: 0.1 * a + 0.9 * b, start, states[0].params)
    chex.assert_trees_all_close(states[0].ema_params, expected, rtol=1e-5)
    expected = jax.tree.map(lambda a, b: 2 / 11 * a + 9 / 11 * b, states[0].ema_params, states[1].params)
    chex.assert_trees_all_close(states[1].ema_params, expected, rtol=1e-5)
    assert states[1].variables()["params"] is states[1].ema_params


def test_augmentation_on_the_device_follows_the_seed_and_the_step():
    recipe = dataclasses.replace(RECIPE, augment=AugmentConfig(pca_noise=0.5, mixup=0.2, cutmix=1.0))
    first, again = run(BATCHES, recipe), run(BATCHES, recipe)
    chex.assert_trees_all_equal(first, again)
    other, _ = run(BATCHES, dataclasses.replace(recipe, seed=1))
    assert not np.allclose(first[0].params["fc"]["kernel"], other.params["fc"]["kernel"])


def test_label_smoothing_spreads_a_share_of_the_target_over_all_classes():
    logits = Network().apply(
        {"params": init_state(Network(), optax.identity(), 0, 4).params},
        jnp.asarray((BATCHES[0]["image"] / 255 - np.array(PIXELS.mean)) / np.array(PIXELS.std), jnp.float32),
    )
    log_p = jax.nn.log_softmax(logits)
    expected = -(0.8 * log_p[jnp.arange(8), BATCHES[0]["label"]] + 0.2 * log_p.mean(-1)).mean()
    _, metrics = run(BATCHES[:1], dataclasses.replace(RECIPE, label_smoothing=0.2))
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)
