"""What trainings ended with, and their pictures with every number."""

import dataclasses
import math

import numpy as np
import pytest
from PIL import Image

from experiments import degradation as command
from experiments.degradation_figures import draw_depth, draw_rates, draw_residual
from tests.experiments.trainings import CHANCE, rows_of, sweep, training


@pytest.mark.parametrize(
    ("losses", "learns"),
    [
        ((2.3, 2.0, 1.0), True),
        ((CHANCE, 0.89 * CHANCE), True),
        ((CHANCE, 0.91 * CHANCE), False),
        ((CHANCE, CHANCE), False),
        ((1e4, 50.0, CHANCE, CHANCE), False),  # it exploded and came back to chance
        ((2.0, math.nan), False),
        ((2.0, math.inf), False),
        ((math.nan, math.nan), False),
        ((*[1.0] * 9, math.nan, 1.0), False),  # among the last fifth
        ((0.5,), True),
    ],
)
def test_a_network_learns_if_its_loss_ends_finite_and_clearly_below_chance(losses, learns):
    assert training(losses=losses).learns is learns


def test_errors_of_training_are_those_of_the_last_fifth_and_of_validation_the_last():
    run = training(losses=[9.0] * 8 + [2.0, 4.0], errors=[90.0] * 8 + [20.0, 30.0])
    assert (run.training_error, run.final_loss, run.validation_error) == (25.0, 3.0, 60.0)


def test_a_single_line_is_its_own_last_fifth():
    assert training(losses=[1.5], errors=[40.0]).training_error == 40.0


def test_curves_are_smoothed_over_a_tenth_of_the_lines_and_keep_their_trend():
    losses = np.arange(40.0)
    steps, values = training(losses=losses).smoothed("loss")
    assert steps == [10 * i for i in range(1, 41)]
    assert values[2:-2] == losses[2:-2].tolist()  # the mean of two lines before to two lines after
    assert (values[0], values[-1]) == (1.0, 38.0)
    spike = training(losses=[0.0] * 20 + [5.0] + [0.0] * 19).smoothed("loss")[1]
    assert spike[18:23] == [1.0] * 5 and sum(spike) == 5.0


def check_files(paths, stem):
    """A picture in two formats and its numbers, and nothing else; returns the picture's words and the numbers."""
    png, svg, numbers = paths
    assert [path.name for path in paths] == [f"{stem}.{kind}" for kind in ("png", "svg", "csv")]
    assert sorted(png.parent.iterdir()) == sorted(paths)
    with Image.open(png) as picture:
        assert min(picture.size) > 700
    return svg.read_text(), rows_of(numbers)


FOUR = [
    training(name, losses=(2.0, 1.0 + i), errors=(90.0, 50.1 + i), validation=((5, 81.7), (20, 60.3 + i)))
    for i, name in enumerate(("cifar_plain20", "cifar_plain56", "cifar_resnet20", "cifar_resnet56"))
]


GRADIENTS = {
    run.name: {moment: {"conv1": 0.1 + i, "fc": 1e-9} for moment in ("initialisation", "end")}
    for i, run in enumerate(FOUR)
}


def test_the_residual_picture_has_every_error_and_every_gradient_norm_exactly(tmp_path):
    words, rows = check_files(draw_residual(FOUR, GRADIENTS, tmp_path / "residual"), "residual")
    assert "plain20, training" in words and "resnet56, validation" in words and "resnet20, initialisation" in words
    found = [tuple(row.values()) for row in rows if row["network"] == "cifar_resnet20"]
    assert found == [
        ("cifar_resnet20", "training top-1 error (%)", "10", "90.0", ""),
        ("cifar_resnet20", "training top-1 error (%)", "20", "52.1", ""),
        ("cifar_resnet20", "validation top-1 error (%)", "5", "81.7", ""),
        ("cifar_resnet20", "validation top-1 error (%)", "20", "62.3", ""),
        ("cifar_resnet20", "gradient norm of layer, initialisation", "1", "2.1", "conv1"),
        ("cifar_resnet20", "gradient norm of layer, initialisation", "2", "1e-09", "fc"),
        ("cifar_resnet20", "gradient norm of layer, end", "1", "2.1", "conv1"),
        ("cifar_resnet20", "gradient norm of layer, end", "2", "1e-09", "fc"),
    ]
    assert len(rows) == 4 * len(found)


def test_the_picture_of_a_residual_network_whose_loss_is_not_finite_is_drawn_too(tmp_path):
    broken = dataclasses.replace(FOUR[1], metrics=training(losses=(math.nan, math.inf)).metrics)
    gradients = GRADIENTS | {
        broken.name: {moment: {"conv1": math.nan, "fc": 0.0} for moment in ("initialisation", "end")}
    }
    _, rows = check_files(draw_residual([FOUR[0], broken, *FOUR[2:]], gradients, tmp_path / "residual"), "residual")
    norms = [row["value"] for row in rows if row["network"] == broken.name and row["quantity"].startswith("gradient")]
    assert norms == ["nan", "0.0", "nan", "0.0"]


def test_the_depth_picture_has_the_errors_after_training_by_depth_exactly(tmp_path):
    words, rows = check_files(draw_depth(list(zip((20, 56, 20, 56), FOUR, strict=True)), tmp_path / "depth"), "depth")
    assert "plain, training" in words and "residual, validation" in words
    assert [tuple(row.values()) for row in rows] == [
        ("cifar_plain20", "20", "50.1", "60.3"),
        ("cifar_plain56", "56", "51.1", "61.3"),
        ("cifar_resnet20", "20", "52.1", "62.3"),
        ("cifar_resnet56", "56", "53.1", "63.3"),
    ]


def test_the_rates_picture_has_every_loss_exactly_and_finite_or_not(tmp_path):
    rates = (0.01, 0.1, 1.0)
    plain = [training(losses=losses) for losses in ((2.0, 1.25), (2.0, math.nan), (math.inf, math.nan))]
    normalised = [training(losses=losses) for losses in ((2.0, 1.5), (2.0, 0.7), (2.0, 2.5))]
    drawn = draw_rates({"VGG-11": plain, "VGG-11 + BN": normalised}, rates, tmp_path / "batchnorm")
    words, rows = check_files(drawn, "batchnorm")
    assert "VGG-11 at 0.01, its highest" in words and "VGG-11 + BN at 0.1, its highest" in words
    assert [tuple(row.values()) for row in rows] == [
        ("VGG-11", "0.01", "True", "10", "2.0"),
        ("VGG-11", "0.01", "True", "20", "1.25"),
        ("VGG-11", "0.1", "False", "10", "2.0"),
        ("VGG-11", "0.1", "False", "20", "nan"),
        ("VGG-11", "1.0", "False", "10", "inf"),
        ("VGG-11", "1.0", "False", "20", "nan"),
        ("VGG-11 + BN", "0.01", "True", "10", "2.0"),
        ("VGG-11 + BN", "0.01", "True", "20", "1.5"),
        ("VGG-11 + BN", "0.1", "True", "10", "2.0"),
        ("VGG-11 + BN", "0.1", "True", "20", "0.7"),
        ("VGG-11 + BN", "1.0", "False", "10", "2.0"),
        ("VGG-11 + BN", "1.0", "False", "20", "2.5"),
    ]


@pytest.mark.filterwarnings("error")
def test_the_rates_picture_is_drawn_even_if_nothing_trains(tmp_path):
    sweeps = {"VGG-11": sweep("00000"), "VGG-11 + BN": sweep("00000")}
    words, rows = check_files(draw_rates(sweeps, command.RATES, tmp_path / "batchnorm"), "batchnorm")
    assert "its highest" not in words and "crosses: does not train" in words
    assert {row["trains"] for row in rows} == {"False"}
