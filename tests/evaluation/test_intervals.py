import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_evolution.evaluation.intervals import Comparison, compare, error_interval
from cnn_evolution.evaluation.predictions import Answer

COUNTS = st.integers(0, 60)


def test_wilsons_interval_of_an_error_by_its_formula():
    z, n, p = 1.959964, 2000, 0.044
    centre, half = (p + z**2 / 2 / n) / (1 + z**2 / n), z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / 4 / n**2)
    np.testing.assert_allclose(error_interval(4.4, n), (100 * (centre - half), 100 * (centre + half)), rtol=1e-6)
    assert error_interval(0, 10)[0] == 0 and error_interval(100, 10)[1] == 100


def test_mcnemars_test_of_a_known_table():
    """Agresti, Categorical Data Analysis (2nd edition, 2002), table 10.1: 794, 150, 86, 570."""
    found = Comparison(794, 150, 86, 570)
    assert found.images == 1600 and found.difference == 4.0
    assert found.p_value == pytest.approx(3.7e-5, rel=0.02)
    low, high = found.interval
    assert 2.0 < low < 4.0 < high < 6.0  # the book's large-sample interval is 2.1 to 5.9


@settings(deadline=None, max_examples=60, derandomize=True)
@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_the_interval_holds_0_exactly_if_the_test_finds_nothing(a, b, c, d):
    found = Comparison(a + 1, b, c, d)
    low, high = found.interval
    assert low <= found.difference <= high
    assert (low <= 0 <= high) == (found.p_value > 0.05)
    other = Comparison(a + 1, c, b, d)
    np.testing.assert_allclose(other.interval, (-high, -low), atol=1e-9)
    assert other.p_value == pytest.approx(found.p_value)


def test_no_image_that_one_alone_has_right_still_leaves_a_difference_open():
    found = Comparison(90, 0, 0, 10)
    assert found.p_value == 1 and found.interval[1] == -found.interval[0] == pytest.approx(3.62, abs=0.01)


def test_answers_are_compared_image_by_image():
    first = {"a": Answer(0, (0, 1), (0.6, 0.4)), "b": Answer(1, (0, 1), (0.6, 0.4)), "c": Answer(2, (), ())}
    second = {"a": Answer(0, (1, 0), (0.6, 0.4)), "b": Answer(1, (1, 0), (0.6, 0.4)), "d": Answer(2, (2,), (1.0,))}
    assert compare(first, second, 1) == Comparison(0, 1, 1, 0)
    assert compare(first, second, 5) == Comparison(2, 0, 0, 0)
