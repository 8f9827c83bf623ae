"""What depth costs and what pays for it: verdicts, recipes, and every question once on a few images."""

import dataclasses
import functools
import itertools
import math
import sys

import numpy as np
import pytest
from PIL import Image

import cnn_evolution as ce
from cnn_evolution.models import registry
from cnn_evolution.recipes import Sgd
from experiments import degradation as command
from tests.experiments.trainings import rows_of, sweep, training
from tests.tiers import exhaustive


def ended(training_error, validation_error, name="cifar_plain20"):
    return training(name, errors=[90.0, training_error], validation=[(10, validation_error)])


@pytest.mark.parametrize(
    ("shallow", "deep", "training", "validation"),  # errors of 100 and of 2000 images: within 10 and 2 points
    [
        ((30, 40), (60, 48), "worse", "worse"),
        ((30, 40), (10, 32), "better", "better"),
        ((30, 40), (30, 40), "not told apart", "not told apart"),
        ((30, 40), (35, 42), "not told apart", "not told apart"),
        ((30, 40), (10, 48), "better", "worse"),
        ((30, 40), (60, 41), "worse", "not told apart"),
    ],
)
@pytest.mark.parametrize(("kind", "paper"), [("plain", "worse"), ("residual", "no worse")])
def test_a_deeper_network_is_worse_only_where_the_intervals_are_apart(kind, paper, shallow, deep, training, validation):
    networks = ended(*shallow, name="s"), ended(*deep, name="d")
    gaps = [b - a for a, b in zip(shallow, deep, strict=True)]
    comparison = (
        f"{kind}: d is {training} in training ({gaps[0]:+.2f} points) and {validation} in validation "
        f"({gaps[1]:+.2f} points), compared with s"
    )
    found = {training, validation}
    shown = found == {"worse"} if kind == "plain" else "worse" not in found
    effect = f"; this budget does not show the paper's effect, that it is {paper}"
    assert command.verdict_on_depth(kind, *networks, in_paper=True) == comparison + ("" if shown else effect)
    assert command.verdict_on_depth(kind, *networks, in_paper=False) == comparison


def test_the_paper_speaks_of_20_layers_and_more():
    errors = {8: 90, 20: 50, 32: 10}  # of plain networks; the paper finds deeper ones worse
    verdicts = command.verdicts_on_depth({("plain", depth): ended(error, error) for depth, error in errors.items()})
    assert ["the paper's effect" in verdict for verdict in verdicts] == [False, True]


def test_errors_are_said_in_percent():
    line = command.error_line(ended(12, 6.0))
    assert line.split()[1:5] == ["top-1", "error:", "training", "12.00%"]
    assert "(7.00 to 19.81), validation   6.00% (5.04 to 7.13)" in line


@pytest.mark.parametrize(
    ("plain", "normalised", "words"),
    [
        (
            "11000",
            "11110",
            "A trains up to 0.01, B trains up to 0.1, {higher}",
        ),
        ("00110", "11110", "A trains up to 0.1, B trains up to 0.1: this budget shows no difference"),
        (
            "11110",
            "11000",
            "A trains up to 0.1, B trains up to 0.01, {lower}",
        ),
        (
            "00000",
            "10000",
            "A trains at none, B trains up to 0.003, {higher}",
        ),
        ("00000", "00000", "A trains at none, B trains at none: this budget shows no difference"),
    ],
)
def test_batch_normalisation_is_judged_by_the_highest_rate_at_which_a_network_trains(plain, normalised, words):
    more, less = (f"in one run each: batch normalisation stands {word} rates" for word in ("higher", "lower"))
    assert command.verdict_on_rates({"A": sweep(plain), "B": sweep(normalised)}) == words.format(
        higher=more, lower=less
    )


ARGUMENTS = command.Arguments()


EVERY_NETWORK = list(itertools.product(command.KINDS, sorted({*command.RESIDUAL, *command.DEPTH})))


@pytest.mark.parametrize(("kind", "depth"), EVERY_NETWORK)
def test_the_depth_is_the_number_of_layers_with_weights(kind, depth):
    model = command.recipe_of_depth(ARGUMENTS, kind, depth).model
    assert len(ce.cost(ce.create_model(model.name, **model.options()), 32).of_kind("conv", "fc")) == depth


@pytest.mark.parametrize(
    "name", ["cifar_plain20", "cifar_plain56", "cifar_resnet20", "cifar_resnet32", "cifar_resnet56"]
)
def test_networks_are_those_of_the_catalogue(name):
    kind, depth = name[6:-2], int(name[-2:])
    model = command.recipe_of_depth(ARGUMENTS, kind, depth).model
    assert ce.create_model(model.name, **model.options()) == ce.create_model(name)


def test_networks_of_all_depths_train_as_in_section_4_2_but_for_the_budget():
    recipe = command.recipe_of_depth(ARGUMENTS, "resnet", 56)
    optimizer = recipe.optimizer
    assert optimizer == Sgd(learning_rate=0.1, momentum=0.9, weight_decay=1e-4)
    assert not optimizer.nesterov and not optimizer.clip_norm
    assert (recipe.data.size, recipe.augment.flip, recipe.label_smoothing, recipe.ema_decay) == (32, True, 0, 0)
    assert recipe.augment.crop == "fixed_scale" and recipe.augment.resize == 36
    assert recipe.augment.mixup == recipe.augment.cutmix == recipe.augment.pca_noise == 0
    assert recipe.model.width == 1 and recipe.model.dropout is None


def test_only_the_network_differs_between_depths_and_only_the_rate_between_rates():
    depths = [command.recipe_of_depth(ARGUMENTS, *network) for network in EVERY_NETWORK]
    assert all(dataclasses.replace(recipe, model=depths[0].model) == depths[0] for recipe in depths)
    rates = [command.recipe_of_rate(ARGUMENTS, "vgg11", rate) for rate in command.RATES]
    assert [recipe.optimizer.learning_rate for recipe in rates] == list(command.RATES)
    assert all(dataclasses.replace(recipe, optimizer=rates[0].optimizer) == rates[0] for recipe in rates)
    normalised = command.recipe_of_rate(ARGUMENTS, "vgg11_bn", command.RATES[0])
    renamed = dataclasses.replace(normalised.model, name="vgg11")
    assert dataclasses.replace(normalised, model=renamed) == rates[0]


def test_rates_are_constant_and_their_networks_start_alike_without_dropout():
    recipe = command.recipe_of_rate(ARGUMENTS, "vgg11", 0.3)
    assert (recipe.schedule.name, recipe.schedule.warmup_epochs) == ("constant", 0)
    assert (recipe.model.initialisation, recipe.model.dropout) == ("he", 0)
    assert sorted(command.RATES) == list(command.RATES)


def both_recipes(arguments):
    return command.recipe_of_depth(arguments, "plain", 20), command.recipe_of_rate(arguments, "vgg11", 0.1)


def test_every_question_has_its_own_budget_unless_one_is_given():
    assert [recipe.epochs for recipe in both_recipes(ARGUMENTS)] == [1.0, 2.5]
    assert [recipe.epochs for recipe in both_recipes(command.Arguments(epochs=7.5))] == [7.5, 7.5]


def test_the_data_set_its_splits_and_the_seed_are_the_users():
    arguments = command.Arguments(dataset="cifar10", train_split="train[:90%]", evaluation_split="test", seed=3)
    for recipe in both_recipes(arguments):
        assert (recipe.data.dataset, recipe.data.train_split, recipe.data.evaluation_split, recipe.seed) == (
            "cifar10",
            "train[:90%]",
            "test",
            3,
        )


def test_a_run_is_evaluated_five_times_and_saved_at_its_end():
    arguments = command.Arguments(epochs=10)
    options = command.options_of(command.recipe_of_depth(arguments, "plain", 20))
    assert options.checkpoint_every == 10
    for steps_per_epoch in (1, 312.5, 781.25):  # the fifth time is at the end, not just before it
        steps = round(options.evaluate_every * steps_per_epoch)
        assert 4 * steps < int(10 * steps_per_epoch) <= 5 * steps


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """64 images of two colours to train on, and 8 to evaluate on."""
    directory = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for split, number in (("train", 32), ("validation", 4)):
        for channel, name in enumerate(("blue", "red")):
            (directory / split / name).mkdir(parents=True)
            for i in range(number):
                pixels = rng.integers(0, 128, (36, 36, 3), np.uint8)
                pixels[..., channel] += 127
                Image.fromarray(pixels).save(directory / split / name / f"{i}.png")
    return directory


@pytest.fixture
def answer(images, monkeypatch, capsys):
    """Runs the command on the few images; returns what it prints."""

    def run(question, directory, *arguments, epochs=10):
        data = ["--dataset", "imagefolder", "--data-dir", str(images), "--epochs", str(epochs)]
        options = ["--question", question, *data, "--output-dir", str(directory), *arguments]
        monkeypatch.setattr(sys, "argv", ["x", *options])
        command.main()
        return capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def small(monkeypatch):
    """Networks with as few layers as tell plain from residual, and without from with batch normalisation."""
    monkeypatch.setattr(command, "RESIDUAL", (2, 8))
    monkeypatch.setattr(command, "DEPTH", (2, 8, 14))
    for name in ("vgg11", "vgg11_bn"):
        spec = ce.model_info(name)
        build = functools.partial(spec.build, depths=(1, 0, 0, 0, 0))
        monkeypatch.setitem(registry._SPECS, name, dataclasses.replace(spec, build=build))


def trained_when(directory):
    return {path: path.stat().st_mtime_ns for path in directory.rglob("metrics.jsonl")}


@pytest.mark.usefixtures("small")
@exhaustive
def test_plain_and_residual_networks_are_compared_and_shared_with_the_question_of_depth(answer, tmp_path):
    lines = answer("residual", tmp_path)
    networks = ["cifar_plain2", "cifar_plain8", "cifar_resnet2", "cifar_resnet8"]
    assert [line.split(":")[0].split()[0] for line in lines] == [*networks, "plain", "residual"]
    assert lines[4].startswith("plain: cifar_plain8 is") and "compared with cifar_plain2" in lines[4]
    assert lines[5].startswith("residual: cifar_resnet8 is") and "compared with cifar_resnet2" in lines[5]

    rows = [row for row in rows_of(tmp_path / "residual.csv") if row["network"] == "cifar_plain8"]
    steps = [int(row["step or layer"]) for row in rows if row["quantity"] == "validation top-1 error (%)"]
    assert steps == [2, 4, 6, 8, 10]
    for moment in ("initialisation", "end"):
        norms = [row for row in rows if row["quantity"] == f"gradient norm of layer, {moment}"]
        blocks = [f"stage{stage}_block1/conv{i}" for stage in (1, 2, 3) for i in (1, 2)]
        assert [row["name"] for row in norms] == ["conv1", *blocks, "fc"]
        assert all(float(row["value"]) > 0 for row in norms)

    before = trained_when(tmp_path)
    assert len(before) == 4
    more = answer("depth", tmp_path)
    assert [more[0:2], more[3:5], more[6], more[8]] == [lines[0:2], lines[2:4], *lines[4:]]
    assert more[7].startswith("plain: cifar_plain14 is") and "compared with cifar_plain8" in more[7]
    assert [row["depth"] for row in rows_of(tmp_path / "depth.csv")] == ["2", "8", "14"] * 2
    assert before.items() < trained_when(tmp_path).items()

    with pytest.raises(ValueError, match=r"a run of another task.*epochs: 5.0 against 10.0"):
        answer("residual", tmp_path, epochs=5)


@pytest.mark.usefixtures("small")
@exhaustive
def test_the_rates_that_vgg_stands_are_swept_once(answer, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "RATES", (0.01, 1e30))
    lines = answer("batchnorm", tmp_path)
    assert [line.split(":")[0] for line in lines[:4]] == [
        f"{label:12} learning rate {rate:5g}" for label in ("VGG-11", "VGG-11 + BN") for rate in (0.01, 1e30)
    ]
    assert "VGG-11 trains up to 0.01" in lines[4]
    rows = [row for row in rows_of(tmp_path / "batchnorm.csv") if row["network"] == "VGG-11"]
    assert [(row["learning rate"], row["trains"], row["step"]) for row in rows] == [
        ("0.01", "True", "10"),
        ("0.01", "True", "20"),
        ("1e+30", "False", "4"),  # where it ended, before its first evaluation
    ]
    assert not math.isfinite(float(rows[-1]["loss"]))

    before = trained_when(tmp_path)
    assert {path.parent.name for path in before} == {"vgg11_0.01", "vgg11_1e+30", "vgg11_bn_0.01", "vgg11_bn_1e+30"}
    assert answer("batchnorm", tmp_path) == lines
    assert trained_when(tmp_path) == before


@pytest.mark.parametrize("question", ["residual", "depth", "batchnorm"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "mini_ilsvrk"], "unknown data set 'mini_ilsvrk': did you mean mini_ilsvrc"),
        (["--data-dir", "missing"], "data_dir missing is not a directory"),
        (["--dataset", "cifar10", "--data-dir", "missing"], "tfds build cifar10"),
        (["--evaluation-split", "test"], "unknown split 'test' .* valid are train, validation"),
        (["--epochs", "0"], r"epochs is 0.0; expected a finite number above 0"),
        (["--epochs", "-1"], r"epochs is -1.0; expected a finite number above 0"),
        (["--epochs", "nan"], r"epochs is nan; expected a finite number above 0"),
        (["--epochs", "inf"], r"epochs is inf; expected a finite number above 0"),
        (["--seed", "-1"], "seed is -1; expected a whole number from 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_named_with_what_is_valid_and_nothing_is_written(answer, question, arguments, message, tmp_path):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        answer(question, tmp_path / "out", *arguments)
    assert not list(tmp_path.iterdir())


def test_an_unknown_question_is_refused_with_the_known_ones(answer, tmp_path, capsys):
    with pytest.raises(SystemExit):
        answer("width", tmp_path / "out")
    assert "residual" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
