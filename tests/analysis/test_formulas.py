"""The two arguments about convolutions, against the counter on real modules."""

import doctest

import flax.linen as nn
import pytest

import cnn_evolution as ce
from cnn_evolution import layers
from cnn_evolution.analysis import formulas, receptive_fields
from cnn_evolution.analysis.formulas import C, H, Term, W, stack


class Stack(nn.Module):
    kernel: int
    depth: int

    @nn.compact
    def __call__(self, x):
        for _ in range(self.depth):
            x = layers.conv(x.shape[-1], self.kernel, padding=self.kernel // 2, use_bias=False)(x)
        return layers.endpoint(self, "out", x)


@pytest.mark.parametrize(("kernel", "depth"), [(3, 1), (3, 2), (5, 1), (3, 3), (7, 1), (1, 2)])
@pytest.mark.parametrize(("channels", "height", "width"), [(4, 14, 14), (6, 9, 5)])
def test_formulas_are_what_real_convolutions_cost_and_see(kernel, depth, channels, height, width):
    formula, module = stack(kernel, depth), Stack(kernel, depth)
    counted = ce.cost(module, (height, width), channels=channels)
    assert formula.parameters(channels, height, width) == counted.params
    assert formula.macs(channels, height, width) == counted.macs
    assert 4 * formula.memory(channels, height, width) == counted.activation_bytes
    assert receptive_fields(module, (height, width), channels=channels)["out"].size == (formula.field, formula.field)


@pytest.mark.parametrize(("small", "large", "weights"), [(2, 5, (18, 25)), (3, 7, (27, 49))])
def test_a_stack_of_3x3_sees_as_much_as_one_large_kernel_for_less(small, large, weights):
    several, one = stack(3, small), stack(large, 1)
    assert several.field == one.field == large
    assert (several.parameters.factor, one.parameters.factor) == weights
    assert (str(several.macs), str(one.macs)) == (f"{weights[0]} C^2 H W", f"{weights[1]} C^2 H W")


def test_halving_the_map_and_doubling_the_channels_keeps_the_multiplications():
    before, after = stack(3, 1, C, 2 * H, 2 * W), stack(3, 1, 2 * C, H, W)
    assert before.macs == after.macs == Term(36, (2, 1, 1))
    assert (str(before.memory), str(after.memory)) == ("4 C H W", "2 C H W")
    assert (str(before.parameters), str(after.parameters)) == ("9 C^2", "36 C^2")
    assert before.macs(64, 28, 28) == ce.cost(Stack(3, 1), 56, channels=64).macs
    assert after.macs(64, 28, 28) == ce.cost(Stack(3, 1), 28, channels=128).macs


def test_the_example_in_the_documentation_holds():
    assert doctest.testmod(formulas) == (0, 1)
