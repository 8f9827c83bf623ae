import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_evolution import layers


@given(channels=st.integers(1, 4096))
@settings(deadline=None, derandomize=True, max_examples=50)
def test_full_width_changes_nothing(channels):
    assert layers.scaled(1.0)(channels) == channels


@given(channels=st.integers(1, 4096), width=st.floats(0.01, 4), multiple=st.sampled_from([3, 8, 12]))
@settings(deadline=None, derandomize=True, max_examples=50)
def test_scaled_channels_are_multiples_and_near(channels, width, multiple):
    if width != 1:
        scaled = layers.scaled(width, multiple)(channels)
        assert scaled % multiple == 0 and scaled >= multiple
        assert scaled == multiple or abs(scaled - channels * width) <= multiple / 2


def test_scaled_channels_are_multiples_of_eight_unless_told():
    assert layers.scaled(0.3)(100) == 32


@given(channels=st.floats(1, 4096))
@settings(deadline=None, derandomize=True, max_examples=50)
def test_divisible_channels_are_multiples_of_eight_and_at_least_nine_tenths(channels):
    divisible = layers.make_divisible(channels)
    assert divisible % 8 == 0 and divisible >= max(8, 0.9 * channels)
    assert divisible <= max(8, channels + 8)


@pytest.mark.parametrize("channels, divisible", [(12, 16), (11, 16), (16 * 1.3, 24), (35.2, 32), (2, 8)])
def test_divisible_channels(channels, divisible):
    """Half-way cases go up, and so does what would lose more than a tenth."""
    assert layers.make_divisible(channels) == divisible


@given(channels=st.integers(1, 4096), width=st.floats(0.01, 4))
@settings(deadline=None, derandomize=True, max_examples=20)
def test_searched_networks_are_rounded_at_every_width(channels, width):
    assert layers.scaled_divisible(width)(channels) == layers.make_divisible(channels * width)


@pytest.mark.parametrize("width", [0, -1.0])
@pytest.mark.parametrize("scaled", [layers.scaled, layers.scaled_divisible])
def test_width_must_be_positive(scaled, width):
    with pytest.raises(ValueError, match=f"width is {width}; expected a number above 0"):
        scaled(width)
