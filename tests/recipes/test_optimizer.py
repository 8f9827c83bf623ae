import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnn_evolution.recipes import AdamW, RmsProp, ScheduleConfig, Sgd
from cnn_evolution.recipes.optimizer import decayed, make_optimizer, make_schedule, update_rule

PARAMS = {
    "conv": {"kernel": jnp.full((3, 3, 2, 4), 0.5), "bias": jnp.full((4,), 0.5)},
    "depthwise": {"kernel": jnp.full((3, 3, 1, 4), 0.5)},
    "norm": {"scale": jnp.full((4,), 0.5)},
}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (ScheduleConfig(name="constant"), {0: 1.0, 99: 1.0}),
        (ScheduleConfig(name="step", boundaries=(3, 6), factor=0.1), {29: 1.0, 30: 0.1, 60: 0.01}),
        (ScheduleConfig(name="cosine"), {0: 1.0, 50: 0.5, 100: 0.0}),
        (ScheduleConfig(name="polynomial", power=1.0), {0: 1.0, 25: 0.75, 100: 0.0}),
        (ScheduleConfig(name="polynomial", power=2.0), {50: 0.25}),
        (ScheduleConfig(name="exponential", factor=0.5, every_epochs=2), {19: 1.0, 20: 0.5, 40: 0.25}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_schedules(config, expected):
    schedule = make_schedule(config, peak=1.0, steps_per_epoch=10, steps=100)
    assert {step: pytest.approx(float(schedule(step)), abs=1e-6) for step in expected} == expected


def test_warm_up_rises_to_the_peak_and_the_boundaries_still_count_from_the_start():
    config = ScheduleConfig(name="step", boundaries=(3,), factor=0.1, warmup_epochs=1)
    schedule = make_schedule(config, peak=2.0, steps_per_epoch=10, steps=100)
    np.testing.assert_allclose([schedule(s) for s in (0, 4, 9, 10, 29)], [0.2, 1.0, 2.0, 2.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(schedule(30), 0.2, rtol=1e-6)


@pytest.mark.parametrize(
    ("decay_on", "expected"),
    [
        ("all", [True, True, True, True]),
        ("kernels", [False, True, True, False]),
        ("kernels_but_depthwise", [False, True, False, False]),
    ],
)
def test_what_decays(decay_on, expected):
    assert (
        jax.tree.leaves(decayed(PARAMS, decay_on)) == expected
    )  # conv bias, conv kernel, depthwise kernel, norm scale


def steps(config, grads, count=3):
    optimizer = update_rule(config, config.learning_rate)
    params, state = PARAMS, optimizer.init(PARAMS)
    for _ in range(count):
        updates, state = optimizer.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return params


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_torchs_rule(nesterov):
    config = Sgd(learning_rate=0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.01)
    grads = jax.tree.map(jnp.ones_like, PARAMS)
    got = steps(config, grads)
    for name, decay in (("kernel", 0.01), ("bias", 0.0)):
        w, v = 0.5, 0.0
        for _ in range(3):
            g = 1.0 + decay * w
            v = 0.9 * v + g
            w -= 0.1 * (g + 0.9 * v if nesterov else v)
        np.testing.assert_allclose(got["conv"][name], w, rtol=1e-6)


def test_rmsprop_is_tensorflows_rule():
    config = RmsProp(learning_rate=0.1, momentum=0.9, decay=0.9, epsilon=1.0, weight_decay=0.0)
    got = steps(config, jax.tree.map(lambda x: jnp.full_like(x, 2.0), PARAMS))
    w, square, v = 0.5, 1.0, 0.0
    for _ in range(3):
        square = 0.9 * square + 0.1 * 4.0
        v = 0.9 * v + 0.1 * 2.0 / np.sqrt(square + 1.0)
        w -= v
    np.testing.assert_allclose(got["conv"]["kernel"], w, rtol=1e-6)


def test_adamw_decays_kernels_only():
    config = AdamW(learning_rate=0.1, weight_decay=0.1)
    got = steps(config, jax.tree.map(jnp.zeros_like, PARAMS), count=1)
    np.testing.assert_allclose(got["conv"]["kernel"], 0.5 * (1 - 0.1 * 0.1), rtol=1e-6)
    np.testing.assert_allclose(got["conv"]["bias"], 0.5, rtol=1e-6)


def test_clipping_bounds_the_global_norm():
    config = Sgd(learning_rate=1.0, momentum=0.0, weight_decay=0.0, clip_norm=1.0)
    got = steps(config, jax.tree.map(jnp.ones_like, PARAMS), count=1)
    moved = jax.tree.map(lambda a, b: a - b, PARAMS, got)
    np.testing.assert_allclose(optax.tree.norm(moved), 1.0, rtol=1e-5)


def test_equal_update_rules_are_one_object_whose_learning_rate_is_in_its_state():
    arguments = (Sgd(learning_rate=0.5), ScheduleConfig(name="cosine"), 10.0, 4)
    optimizer = make_optimizer(*arguments)
    assert optimizer is make_optimizer(*arguments)
    assert optimizer is not make_optimizer(Sgd(learning_rate=0.25), *arguments[1:])
    _, state = optimizer.update(PARAMS, optimizer.init(PARAMS), PARAMS)
    _, state = optimizer.update(PARAMS, state, PARAMS)
    np.testing.assert_allclose(
        state.hyperparams["learning_rate"], make_schedule(arguments[1], 0.5, 10.0, 4)(1), rtol=1e-6
    )
