"""What the papers state of their trainings, in terms of steps and rates rather than of the recipes' fields."""

import jax
import jax.numpy as jnp
import pytest

from cnn_evolution.data import CenterCrop
from cnn_evolution.models import list_models, model_info
from cnn_evolution.recipes import published_recipe, published_recipes
from cnn_evolution.recipes.build import build_model, crop_of
from cnn_evolution.recipes.optimizer import make_schedule, update_rule

RECIPES = published_recipes()
TRAINING_IMAGES = {"imagenet2012": 1_281_167, "cifar10": 50_000}
every_network = pytest.mark.parametrize("name", RECIPES)
# Most networks of a family share all of these.
every_training = pytest.mark.parametrize(
    "name", {(r.optimizer, r.schedule, r.epochs, r.batch_size): name for name, r in RECIPES.items()}.values()
)


def steps_per_epoch(name):
    recipe = RECIPES[name]
    return TRAINING_IMAGES[recipe.data.dataset] / recipe.batch_size


def steps(name):
    return round(RECIPES[name].epochs * steps_per_epoch(name))


def schedule(name):
    recipe = RECIPES[name]
    return make_schedule(recipe.schedule, recipe.optimizer.learning_rate, steps_per_epoch(name), steps(name))


def rate(name, epoch):
    return float(schedule(name)(round(epoch * steps_per_epoch(name))))


def test_every_network_in_the_catalogue_has_a_recipe():
    assert list(RECIPES) == list_models()


def test_an_unknown_network_is_named_with_the_nearest():
    with pytest.raises(ValueError, match="resnet50"):
        published_recipe("resnet5O")


@every_network
def test_a_recipe_is_of_its_network_on_the_data_set_and_at_the_size_it_was_published_for(name):
    recipe, spec = RECIPES[name], model_info(name)
    assert recipe.model.name == name
    assert recipe.data.dataset == {1000: "imagenet2012", 10: "cifar10"}[spec.num_classes]
    assert recipe.data.size == spec.input_size


@every_network
def test_the_network_and_its_crops_can_be_built(name):
    recipe = RECIPES[name]
    assert build_model(recipe, model_info(name).num_classes).num_classes == model_info(name).num_classes
    assert crop_of(recipe).size == recipe.data.size
    assert CenterCrop(size=recipe.data.size, resize=recipe.data.evaluation_resize).size == recipe.data.size


@every_training
def test_the_rate_changes_within_the_training_and_after_the_warm_up(name):
    recipe = RECIPES[name]
    assert recipe.schedule.warmup_epochs < recipe.epochs
    if recipe.schedule.name == "step":
        assert recipe.schedule.warmup_epochs < recipe.schedule.boundaries[0]
        assert recipe.schedule.boundaries[-1] < recipe.epochs


@every_training
def test_the_rate_starts_at_its_peak_and_ends_at_less_than_a_third_of_it(name):
    recipe = RECIPES[name]
    peak = recipe.optimizer.learning_rate
    assert rate(name, recipe.schedule.warmup_epochs) == pytest.approx(peak)
    assert 0 <= rate(name, recipe.epochs) < peak / 3


@pytest.mark.parametrize("name", {r.optimizer: name for name, r in RECIPES.items()}.values())
def test_the_optimizer_can_be_built_and_steps_against_the_gradient(name):
    params = {"kernel": jnp.ones((3, 3, 4, 8)), "bias": jnp.zeros(8)}
    optimizer = update_rule(RECIPES[name].optimizer, schedule(name))

    @jax.jit
    def step(params):
        return optimizer.update(jax.tree.map(jnp.ones_like, params), optimizer.init(params), params)[0]

    assert all((update < 0).all() for update in jax.tree.leaves(step(params)))


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("vgg16", 370_000),
        ("bn_inception", 6_000_000),
        ("cifar_resnet56", 64_000),
        ("squeezenet1_1", 170_000),
        ("shufflenet_v1_g3", 300_000),
        ("shufflenet_v2_x1_0", 300_000),
        ("mobilenet_v2", 5_500_000),
        ("mnasnet1_0", 437_898 // 4),  # steps of a quarter of the batch
        ("efficientnet_b0", 218_949 // 2),  # of half
    ],
)
def test_trainings_have_as_many_steps_as_published(name, published):
    assert steps(name) == pytest.approx(published, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "epoch", "published"),
    [
        ("inception_v3", 10, 0.045 * 0.94**5),
        ("inception_resnet_v2", 10, 0.045 * 0.94**5),
        ("xception", 10, 0.045 * 0.94**5),
        ("preresnet200", 89, 1e-3),
        ("wide_resnet50_2", 89, 1e-3),
        ("wrn_28_10", 199, 0.1 * 0.2**3),
        ("resnext101_64x4d", 99, 1e-4),
        ("densenet121", 89, 1e-3),
        ("densenet161", 99, 1e-4),
        ("squeezenet1_0", 34, 0.02),
        ("mobilenet_v1", 5, 0.045 * 0.94**2),
        ("shufflenet_v1_g8", 120, 0.25),
        ("nasnet_a_large", 24, 0.04 * 0.97**10),
        ("pnasnet5_large", 24, 0.015 * 0.97**10),
        ("mobilenet_v2", 10, 0.045 * 0.98**10),
        ("mnasnet1_0", 5 + 2.4, 0.256 * 0.97),
        ("mobilenet_v3_small", 300, 0.1 * 0.99**100),
        ("efficientnet_b7", 5 + 24, 0.256 * 0.97**10),
        ("convnext_large", 20 + 280 / 2, 2e-3),
    ],
)
def test_rates_on_the_way_are_the_published_ones(name, epoch, published):
    # A moment later, since "every 2.4 epochs" is rounded to whole steps.
    assert rate(name, epoch + 0.02) == pytest.approx(published, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "epochs", "peak"), [("mnasnet1_0", 5, 0.256), ("efficientnet_b0", 5, 0.256), ("convnext_tiny", 20, 4e-3)]
)
def test_large_batches_grow_to_their_rate_in_a_line(name, epochs, peak):
    assert rate(name, epochs / 2) == pytest.approx(peak / 2, rel=2e-3)
    assert rate(name, epochs) == pytest.approx(peak)


def test_the_rate_of_bn_inception_falls_six_times_as_fast_as_that_of_googlenet():
    fall = {name: rate(name, 48.02) / rate(name, 0) for name in ("googlenet", "bn_inception")}
    assert fall["bn_inception"] == pytest.approx(fall["googlenet"] ** 6)


def test_resnets_on_cifar_lower_the_rate_at_32_and_48_thousand_steps():
    rates = [float(schedule("cifar_resnet20")(step)) for step in (0, 31_999, 32_001, 47_999, 48_001, 63_999)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_the_resnet_of_110_layers_needs_400_steps_to_its_rate():
    rates = [float(schedule("cifar_resnet110")(step)) for step in (0, 100, 400, 32_001)]
    assert rates[0] < 0.01 and rates[1] < 0.03
    assert rates[2:] == pytest.approx([0.1, 0.01])


@pytest.mark.parametrize(
    ("name", "size", "short_side"),
    [
        ("alexnet", 227, 256),
        ("resnet50", 224, 256),
        ("nasnet_a_mobile", 224, 256),
        ("inception_v3", 299, 342),
        ("efficientnet_b0", 224, 256),
        ("efficientnet_b7", 600, 632),
        ("efficientnet_lite4", 300, 332),
        ("wrn_28_10", 32, 32),
    ],
)
def test_evaluation_is_on_the_published_centre_crop(name, size, short_side):
    assert (RECIPES[name].data.size, RECIPES[name].data.evaluation_resize) == (size, short_side)


def test_networks_that_expect_pixels_up_to_255_get_them():
    centred = {model_info(name).module for name, recipe in RECIPES.items() if recipe.data.pixels == "centred"}
    assert centred == {"alexnet", "zfnet", "vgg", "googlenet", "squeezenet"}
    assert all(model_info(name).year >= 2015 for name, r in RECIPES.items() if r.data.pixels == "standardised")
    assert not any(name.endswith("_bn") for name, r in RECIPES.items() if r.data.pixels == "centred")


def test_only_mobilenets_spare_depthwise_filters_from_decay():
    spared = {model_info(n).module for n, r in RECIPES.items() if r.optimizer.decay_on == "kernels_but_depthwise"}
    assert spared == {"mobilenet_v1", "mobilenet_v2"}
