"""Learning-rate schedules and optimisers, built from a recipe with optax."""

import functools
from typing import Any

import jax
import optax

from cnn_evolution.recipes.config import AdamW, Optimizer, RmsProp, ScheduleConfig, Sgd


def make_schedule(config: ScheduleConfig, peak: float, steps_per_epoch: float, steps: int) -> optax.Schedule:
    """The learning rate at every optimiser step.

    Args:
      config: Its epochs count from the start of training, warm-up included.
      peak: The learning rate after warm-up.
      steps_per_epoch: Optimiser steps in one pass over the data; need not be whole.
      steps: Optimiser steps of the whole run.
    """
    warmup = min(round(config.warmup_epochs * steps_per_epoch), steps)
    rest = max(1, steps - warmup)
    main: optax.Schedule
    match config.name:
        case "constant":
            main = optax.constant_schedule(peak)
        case "step":
            falls = [round(epoch * steps_per_epoch) - warmup for epoch in config.boundaries]
            main = optax.piecewise_constant_schedule(peak, {step: config.factor for step in falls})
        case "cosine":
            main = optax.cosine_decay_schedule(peak, rest)
        case "polynomial":
            main = optax.polynomial_schedule(peak, 0.0, config.power, rest)
        case "exponential":
            every = max(1, round(config.every_epochs * steps_per_epoch))
            main = optax.exponential_decay(peak, every, config.factor, staircase=True)
    if not warmup:
        return main
    # Starts at one step's share instead of at 0, where the first step would be lost.
    ramp = optax.linear_schedule(peak / warmup, peak, warmup - 1) if warmup > 1 else optax.constant_schedule(peak)
    return optax.join_schedules([ramp, main], [warmup])


def decayed(params: Any, decay_on: str) -> Any:
    """A tree like `params` that is True where weight decay applies (see `Sgd.decay_on`)."""

    def applies(path: Any, leaf: jax.Array) -> bool:
        if decay_on == "all":
            return True
        if path[-1].key != "kernel":
            return False
        depthwise = leaf.ndim == 4 and leaf.shape[2] == 1
        return not (depthwise and decay_on == "kernels_but_depthwise")

    return jax.tree_util.tree_map_with_path(applies, params)


def update_rule(config: Optimizer, learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    """One step at a learning rate.

    SGD multiplies by the learning rate after the momentum, as torch does; the rule in Krizhevsky et al. 2012 multiplies
    before, which differs only in the steps after the rate changes.
    """

    def mask(params: Any) -> Any:
        return decayed(params, config.decay_on)

    clip = optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity()
    decay = optax.add_decayed_weights(config.weight_decay, mask) if config.weight_decay else optax.identity()
    match config:
        case Sgd():
            return optax.chain(clip, decay, optax.sgd(learning_rate, config.momentum or None, config.nesterov))
        case RmsProp():
            rule = optax.rmsprop(
                learning_rate,
                config.decay,
                config.epsilon,
                initial_scale=1.0,
                eps_in_sqrt=True,
                momentum=config.momentum or None,
            )
            return optax.chain(clip, decay, rule)
        case AdamW():
            rule = optax.adamw(
                learning_rate, config.b1, config.b2, config.epsilon, weight_decay=config.weight_decay, mask=mask
            )
            return optax.chain(clip, rule)


@functools.lru_cache(maxsize=64)
def make_optimizer(
    config: Optimizer, schedule: ScheduleConfig, steps_per_epoch: float, steps: int
) -> optax.GradientTransformation:
    """The update rule with its schedule; the same one for equal arguments, so that tasks share a compiled step."""
    rates = make_schedule(schedule, config.learning_rate, steps_per_epoch, steps)
    return optax.inject_hyperparams(lambda learning_rate: update_rule(config, learning_rate))(learning_rate=rates)
