"""Trained and frozen parameters."""

import jax
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_evolution.training.state import joined_params, split_params, start_state

PARAMS = {"stem": {"conv": {"kernel": np.zeros((3, 4)), "bias": np.ones(4)}}, "fc": {"kernel": np.ones((4, 2))}}
PATHS = ("stem/conv/kernel", "stem/conv/bias", "fc/kernel")


@given(st.sets(st.sampled_from(PATHS), max_size=2))
def test_what_is_split_and_joined_is_what_it_was(frozen):
    trained, kept = split_params(PARAMS, frozenset(frozen))
    assert len(jax.tree.leaves(kept)) == len(frozen) and len(jax.tree.leaves(trained)) == 3 - len(frozen)
    joined = joined_params(trained, kept)
    assert jax.tree.structure(joined) == jax.tree.structure(PARAMS)
    assert jax.tree.all(jax.tree.map(lambda a, b: a is b, joined, PARAMS))


def test_the_optimizer_has_no_state_of_what_is_frozen():
    state = start_state({"params": PARAMS}, optax.adam(1.0), ema=False, frozen_params=frozenset(PATHS[:2]))
    assert jax.tree.leaves(state.params) == jax.tree.leaves(PARAMS)
    moments = [leaf.shape for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim]
    assert moments == [(4, 2), (4, 2)]


def test_a_path_of_no_parameter_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="has 'stem/conv/kernal', which is no parameter; the nearest is 'stem/conv/ke"):
        split_params(PARAMS, frozenset({"stem/conv/kernal"}))


def test_something_must_be_left_to_train():
    with pytest.raises(ValueError, match="all 3 parameters, so that there is nothing to train"):
        split_params(PARAMS, frozenset(PATHS))
