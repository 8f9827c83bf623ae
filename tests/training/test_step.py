import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnn_evolution.parallel import AXIS, map_step, split_over_devices
from cnn_evolution.pixels import NORMALISATIONS
from cnn_evolution.training.augment import ColourNoise, CutMix, Mixup, OneOf
from cnn_evolution.training.objective import cross_entropy
from cnn_evolution.training.state import start_state
from cnn_evolution.training.step import make_step

PIXELS = NORMALISATIONS["imagenet"]
SGD = optax.sgd(0.1, 0.9)


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


def start(model=None, ema=False, optimizer=SGD, frozen_params=frozenset()):
    variables = (model or Network()).init(jax.random.key(0), jnp.zeros((1, 4, 4, 3)))
    return start_state(variables, optimizer, ema=ema, frozen_params=frozen_params)


def run(batches, model=None, devices=2, objective=None, seed=0, frozen=None, optimizer=SGD, **options):
    """The state and the last metrics after a step on each batch."""
    model = model or Network()
    state = start(model, options.get("ema_decay", 0) > 0, optimizer, options.get("frozen_params", frozenset()))
    step = make_step(objective or cross_entropy(model), optimizer, PIXELS, 5, **options)
    if devices == 2:
        mapped, split = map_step(step), split_over_devices
    else:
        mapped = jax.pmap(
            step, axis_name=AXIS, in_axes=(None, 0, None), out_axes=(None, None), devices=jax.devices()[:devices]
        )
        split = lambda b: jax.tree.map(lambda x: x[None], b)  # noqa: E731
    for b in batches:
        state, metrics = mapped(state, split(b), {"seed": np.uint32(seed), "frozen": frozen})
    return jax.device_get(state), jax.device_get(metrics)


def normalised(batch):
    return jnp.asarray((batch["image"] / 255 - np.array(PIXELS.mean)) / np.array(PIXELS.std), jnp.float32)


BATCHES = [batch([0, 1, 2, 3, 4, 0, 1, 2], seed) for seed in range(3)]


@pytest.mark.parametrize("model", [Network(), Network(batch_norm=True, axis_name=AXIS)], ids=["plain", "synchronised"])
def test_two_devices_compute_what_one_computes(model):
    one, two = run(BATCHES, model=model, devices=1), run(BATCHES, model=model, devices=2)
    chex.assert_trees_all_close(one, two, rtol=1e-4, atol=1e-6)


def test_batch_statistics_of_replicas_are_averaged_unless_synchronised():
    model = Network(batch_norm=True)
    state, _ = run(BATCHES[:1], model=model)
    halves = np.asarray(normalised(BATCHES[0])).mean((1, 2)).reshape(2, 4, 3)
    stats = state.model_state["batch_stats"]["BatchNorm_0"]
    np.testing.assert_allclose(stats["mean"], 0.1 * halves.mean(1).mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * halves.var(1).mean(0), rtol=1e-4)


def test_the_update_is_the_gradient_of_the_mean_cross_entropy():
    model = Network()
    params, images = start().params, normalised(BATCHES[0])

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
    chex.assert_trees_all_close(run(BATCHES), run(BATCHES, accumulate_steps=4), rtol=1e-4, atol=1e-6)


def test_auxiliary_losses_are_weighted():
    def loss(weight):
        model = Network(auxiliary=True)
        return run(BATCHES[:1], model, objective=cross_entropy(model, aux_weight=weight))[1]["loss"]

    np.testing.assert_allclose(loss(1.0) - loss(0.0), 2 * (loss(0.5) - loss(0.0)), rtol=1e-4)
    assert loss(1.0) > loss(0.0) + 0.5


def test_the_moving_averages_follow_parameters_and_statistics_and_are_what_evaluation_uses():
    """Averaged weights do not fit the last step's statistics."""
    states = [run(BATCHES[:n], NORMED, ema_decay=0.999)[0] for n in (1, 2)]
    last = [{"params": state.params, **state.model_state} for state in states]
    first = start(NORMED, ema=True).variables()
    expected = jax.tree.map(lambda a, b: 0.1 * a + 0.9 * b, first, last[0])
    chex.assert_trees_all_close(states[0].variables(), expected, rtol=1e-5)
    expected = jax.tree.map(lambda a, b: 2 / 11 * a + 9 / 11 * b, states[0].ema, last[1])
    chex.assert_trees_all_close(states[1].variables(), expected, rtol=1e-5)
    assert set(expected) == {"params", "batch_stats"}


FROZEN = frozenset({"BatchNorm_0/scale", "fc/bias"})


@pytest.mark.parametrize("options", [{}, {"accumulate_steps": 2}, {"ema_decay": 0.9}], ids=["", "parts", "averages"])
def test_frozen_parameters_stay_to_the_bit_and_the_others_move_as_if_their_gradient_were_zero(options):
    frozen, _ = run(BATCHES, NORMED, frozen_params=FROZEN, **options)
    masked = optax.chain(optax.masked(optax.set_to_zero(), mask), SGD)
    expected, _ = run(BATCHES, NORMED, optimizer=masked, **options)
    first = start(NORMED).params
    for found in (frozen.params, frozen.variables()["params"]):
        assert np.array_equal(found["BatchNorm_0"]["scale"], first["BatchNorm_0"]["scale"])
        assert np.array_equal(found["fc"]["bias"], first["fc"]["bias"])
    chex.assert_trees_all_close(frozen.variables(), expected.variables(), rtol=1e-5, atol=1e-7)
    assert not np.array_equal(frozen.params["fc"]["kernel"], first["fc"]["kernel"])


def mask(params):
    return jax.tree_util.tree_map_with_path(lambda path, _: "/".join(key.key for key in path) in FROZEN, params)


def test_the_gradients_norm_is_that_of_what_is_trained():
    every = frozenset({"fc/kernel"})
    _, metrics = run(BATCHES[:1], frozen_params=every)
    residual = jax.nn.softmax(Network().apply({"params": start().params}, normalised(BATCHES[0])))
    residual -= jax.nn.one_hot(BATCHES[0]["label"], 5)
    np.testing.assert_allclose(metrics["gradient_norm"], jnp.linalg.norm(residual.mean(0)), rtol=1e-5)


def test_running_statistics_move_once_a_step_in_however_many_parts():
    whole, parts = (run(BATCHES[:1], NORMED, devices=1, accumulate_steps=n)[0] for n in (1, 2))
    means = [state.model_state["batch_stats"]["BatchNorm_0"]["mean"] for state in (whole, parts)]
    np.testing.assert_allclose(*means, rtol=1e-5)


OPERATIONS = (ColourNoise(0.5), OneOf((Mixup(0.2), CutMix(1.0))))


def test_augmentation_on_the_device_follows_the_seed_and_the_step():
    first, again = run(BATCHES, operations=OPERATIONS), run(BATCHES, operations=OPERATIONS)
    chex.assert_trees_all_equal(first, again)
    other, _ = run(BATCHES, operations=OPERATIONS, seed=1)
    assert not np.allclose(first[0].params["fc"]["kernel"], other.params["fc"]["kernel"])


def test_operations_see_pixels_between_0_and_1_before_the_objective_sees_them_normalised():
    def brighten(key, batch):
        chex.assert_shape([batch["target"], batch["label"]], [(4, 5), (4,)])
        return batch | {"image": jnp.ones_like(batch["image"]), "target": 2 * batch["target"]}

    def objective(params, model_state, batch, key, step, frozen):
        sums = {"pixel": batch["image"][:, 0, 0, 0].sum(), "target": batch["target"].sum()}
        return 0.0 * params["fc"]["bias"].sum(), (model_state, sums)

    _, metrics = run(BATCHES[:1], operations=(brighten,), objective=objective)
    np.testing.assert_allclose(metrics["pixel"], (1 - PIXELS.mean[0]) / PIXELS.std[0], rtol=1e-5)
    np.testing.assert_allclose(metrics["target"], 2)


def test_label_smoothing_spreads_a_share_of_the_target_over_all_classes():
    log_p = jax.nn.log_softmax(Network().apply({"params": start().params}, normalised(BATCHES[0])))
    expected = -(0.8 * log_p[jnp.arange(8), BATCHES[0]["label"]] + 0.2 * log_p.mean(-1)).mean()
    _, metrics = run(BATCHES[:1], objective=cross_entropy(Network(), label_smoothing=0.2))
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)


def test_an_objective_of_ones_own_has_the_step_the_frozen_arrays_and_its_own_metrics_averaged_over_present_rows():
    def objective(params, model_state, batch, key, step, frozen):
        rows = (batch["label"] >= 0).sum()
        loss = rows * (params["fc"]["bias"] * frozen["weight"]).sum()
        return loss, (model_state, {"at": rows * step, "rows": rows})

    frozen = {"weight": np.arange(5, dtype=np.float32)}
    batches = [batch([0, 1, 2, 3, 4, 0, -1, -1]), batch([0, 1, 2, 3, 4, 0, 1, 2])]
    state, metrics = run(batches, objective=objective, frozen=frozen, optimizer=optax.sgd(1.0))
    np.testing.assert_allclose(state.params["fc"]["bias"], -2.0 * frozen["weight"])
    assert (metrics["at"], metrics["rows"]) == (1, 1)


def test_the_learning_rate_is_logged_where_the_optimizer_tells_it():
    optimizer = optax.inject_hyperparams(optax.sgd)(optax.linear_schedule(0.5, 0.0, 10))
    _, metrics = run(BATCHES, optimizer=optimizer)
    np.testing.assert_allclose(metrics["learning_rate"], 0.4, rtol=1e-6)
    assert "learning_rate" not in run(BATCHES)[1]


def returns(change):
    """An objective whose output is changed: `(loss, model_state, metrics) -> output`."""

    def objective(params, model_state, batch, key, step, frozen):
        loss, (model_state, metrics) = cross_entropy(NORMED)(params, model_state, batch, key, step, frozen)
        return change(loss, model_state, metrics)

    return objective


NORMED = Network(batch_norm=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, s, m: (x * jnp.ones(3), (s, m)), r"loss must be a floating scalar.*\(3,\)"),
        (lambda x, s, m: (jnp.int32(1), (s, m)), "loss must be a floating scalar"),
        (lambda x, s, m: (x, ({}, m)), "keep the structure, shapes and types of model_state"),
        (lambda x, s, m: (x, (jax.tree.map(lambda x: x[:1], s), m)), "keep the structure, shapes.*model_state"),
        (lambda x, s, m: (x, (s, {"each": jnp.ones(4)})), r"metric 'each' must be a scalar.*\(4,\)"),
        (lambda x, s, m: (x, (s, {"loss": x})), "metric 'loss' is the step's own"),
        (lambda x, s, m: (x, s), "must return"),
        (lambda x, s, m: x, "must return"),
    ],
    ids=["vector", "integer", "state", "shape", "metric", "name", "pair", "loss alone"],
)
def test_an_objective_that_breaks_its_contract_is_told_how(change, message):
    with pytest.raises(ValueError, match=message):
        run(BATCHES[:1], NORMED, objective=returns(change))


@pytest.mark.parametrize(
    "operation",
    [
        lambda key, batch: batch | {"image": batch["image"][..., :1]},
        lambda key, batch: batch | {"image": batch["image"].astype(jnp.bfloat16)},
        lambda key, batch: jax.tree.map(lambda x: x[:2], batch),
        lambda key, batch: {"image": batch["image"]},
    ],
    ids=["channels", "type", "rows", "structure"],
)
def test_an_operation_that_changes_the_form_of_a_batch_is_named(operation):
    with pytest.raises(ValueError, match=r"the batch operation .* must keep the shapes and types of the batch"):
        run(BATCHES[:1], operations=(operation,))


def test_an_optimizer_that_changes_types_is_told():
    half = optax.GradientTransformation(
        SGD.init, lambda g, s, p: (g, jax.tree.map(lambda x: x.astype(jnp.bfloat16), SGD.update(g, s, p)[1]))
    )
    with pytest.raises(ValueError, match="the optimizer must keep"):
        run(BATCHES[:1], optimizer=half)


def test_equal_arguments_share_one_compiled_step():
    arguments = (SGD, PIXELS, 5, (ColourNoise(0.5),))
    step = map_step(make_step(cross_entropy(Network()), *arguments))
    assert step is map_step(make_step(cross_entropy(Network()), *arguments))
    assert step is not map_step(make_step(cross_entropy(Network(), label_smoothing=0.1), *arguments))
    assert make_step(Unhashable(), *arguments) is not make_step(Unhashable(), *arguments)


class Unhashable:
    __hash__ = None
