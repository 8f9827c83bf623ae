"""Names and what they stand for: ours, and a network that is registered here."""

import functools
import sys
from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnn_evolution as ce
from cnn_evolution.layers.normalisation import BatchNorm
from cnn_evolution.pretrained.names import Names
from cnn_evolution.recipes import ModelConfig, Recipe, named_recipes
from cnn_evolution.recipes.build import build_model
from tests.networks import Bare, Own


def test_names_come_in_order_of_history():
    years = [ce.model_info(name).year for name in ce.list_models()]
    assert years == sorted(years)
    assert ce.list_models()[0] == "alexnet"


@pytest.mark.parametrize(
    "filters, names",
    [
        ({"pattern": "resnet*_v1"}, ["resnet50_v1", "resnet101_v1", "resnet152_v1"]),
        ({"family": "zfnet"}, ["zfnet", "zfnet_b"]),
        ({"pattern": "*_lecture", "family": "VGG"}, ["vgg16_lecture", "vgg19_lecture"]),
        ({"family": "VGG", "year": 2015}, ["vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"]),
        ({"year": 2012}, ["alexnet", "alexnet_single"]),
        ({"pattern": "transformer*"}, []),
    ],
)
def test_names_can_be_filtered(filters, names):
    assert ce.list_models(**filters) == names


def test_unknown_family_names_the_families():
    with pytest.raises(ValueError, match="no family 'LeNet'; there are AlexNet, ZFNet, VGG, GoogLeNet, "):
        ce.list_models(family="LeNet")


@pytest.mark.parametrize("call", [ce.model_info, ce.create_model])
@pytest.mark.parametrize(
    "wrong, nearest", [("resnet-50", "resnet50"), ("GoogleNet", "googlenet"), ("vgg16bn", "vgg16_bn")]
)
def test_unknown_model_names_the_nearest(call, wrong, nearest):
    with pytest.raises(ValueError, match=rf"no model '{wrong}'; did you mean .*\b{nearest}\b"):
        call(wrong)


def test_unknown_model_that_nothing_resembles():
    with pytest.raises(ValueError, match=r"nothing comes near \(list_models\(\) has all"):
        ce.create_model("")


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("alexnet", {"drop_out": 0.1}, "no option 'drop_out'; did you mean dropout.*it has .*stem_stride"),
        ("resnet18", {"aux_heads": True}, "resnet18 has no option 'aux_heads'"),
        ("alexnet", {"num_classes": -1}, "num_classes is -1; expected a positive number, or 0"),
        ("alexnet", {"num_classes": True}, "num_classes is True; expected a whole number"),
        ("alexnet", {"num_classes": 10.0}, "num_classes is 10.0; expected a whole number"),
        ("alexnet", {"norm": nn.BatchNorm}, "alexnet has no batch normalisation that norm could replace"),
        ("alexnet", {"width": 0}, "width is 0; expected a number above 0"),
        ("alexnet", {"width": -0.5}, "width is -0.5"),
        ("alexnet", {"input_size": 38}, "input_size is 38; alexnet needs at least 39 pixels"),
        (
            "resnet18",
            {"depths": (2, 2)},
            r"depths is \(2, 2\); resnet18 has 4 stages, of \(2, 2, 2, 2\) blocks",
        ),
        ("resnet18", {"input_size": 0}, "input_size is 0; resnet18 needs at least 1 pixels"),
    ],
)
def test_wrong_arguments_are_refused_with_what_is_valid(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        ce.create_model(name, **arguments)


@pytest.mark.parametrize("name", [name for name in ce.list_models() if ce.model_info(name).small_below])
def test_images_too_small_for_the_published_network_enter_at_half_the_stride(name):
    def runs(model, size):
        try:
            jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, size, size, 3)))
        except ValueError:
            return False
        return True

    spec, published = ce.model_info(name), ce.create_model(name)
    assert runs(published, spec.small_below) and not runs(published, spec.small_below - 1)
    assert ce.create_model(name, input_size=spec.small_below) == published
    assert ce.create_model(name, input_size=spec.small_below - 1).stem_stride * 2 == published.stem_stride


def test_an_explicit_stem_stride_wins():
    assert ce.create_model("alexnet", input_size=48, stem_stride=1).stem_stride == 1


def test_small_images_change_nothing_where_the_stem_has_no_stride():
    assert ce.create_model("vgg16", input_size=32) == ce.create_model("vgg16")


def test_models_are_values():
    assert ce.create_model("resnet50", width=0.5) == ce.create_model("resnet50", width=0.5)
    assert ce.create_model("resnet50") != ce.create_model("resnet50_v1")
    assert hash(ce.create_model("googlenet")) == hash(ce.create_model("googlenet"))


def test_axis_name_reaches_batch_normalisation_and_is_ignored_without():
    assert ce.create_model("resnet50", axis_name="batch").axis_name == "batch"
    assert ce.create_model("alexnet", axis_name="batch") == ce.create_model("alexnet")


# ---- Networks of one's own


NAMES = {"mine": Names("conv{n} features.conv{n}\nbn{n} features.bn{n}\nfc head")}


def test_name_build_family_and_year_are_enough(register):
    register()
    spec = ce.model_info("own")
    assert (spec.num_classes, spec.input_size, spec.min_input_size, spec.small_below) == (5, 224, 1, None)
    assert (spec.mean, spec.std) == (ce.model_info("resnet18").mean, ce.model_info("resnet18").std)
    assert spec.paper == spec.deviations == spec.module == "" and spec.names is None


def test_registered_networks_are_listed_after_ours_in_order_of_registration(register):
    ours = ce.list_models()
    register(name="own_b", year=1998)
    register(name="own_a")
    assert ce.list_models() == [*ours, "own_b", "own_a"]
    assert ce.list_models("own*", family="own", year=2026) == ["own_a"]


def test_counts_that_are_not_stated_are_computed(register):
    register(input_size=32)
    register(name="stated", params=1, aux_params=2, macs=3)
    convolutions, normalisation, fc = 3 * 9 * 8 + 8 + 8 * 9 * 16 + 16, 2 * (8 + 16), 16 * 5 + 5
    own, stated = ce.model_info("own"), ce.model_info("stated")
    assert (own.params, own.aux_params) == (convolutions + normalisation + fc, 0)
    assert own.macs == 8 * 8 * 8 * 27 + 4 * 4 * 16 * 72 + 16 * 5 == ce.cost("own").macs
    assert (stated.params, stated.aux_params, stated.macs) == (1, 2, 3)


def test_counts_of_our_entries_can_be_computed_too(register):
    spec = ce.model_info("googlenet")
    fields = {"build": spec.build, "input_size": spec.input_size, "module": "googlenet"}
    register(**fields)
    own = ce.model_info("own")
    assert (own.params, own.aux_params, own.macs) == (spec.params, spec.aux_params, spec.macs)


def test_a_registered_network_is_built_with_every_option(register):
    register(build=functools.partial(Own, width=0.5, channels=(16, 32)), num_classes=7)
    norm = functools.partial(BatchNorm, momentum=0.5)
    model = ce.create_model(
        "own", width=0.5, dtype=jnp.bfloat16, axis_name="batch", norm=norm, act=nn.silu, dropout=0.1, stem_stride=2
    )
    assert model == Own(
        channels=(16, 32),
        num_classes=7,
        width=0.25,
        stem_stride=2,
        dropout=0.1,
        norm=norm,
        act=nn.silu,
        dtype=jnp.bfloat16,
        axis_name="batch",
    )
    assert ce.create_model("own", num_classes=3).num_classes == 3
    assert ce.create_model("own").width == 0.5


def test_small_images_enter_at_half_of_the_variants_own_stride(register):
    register(small_below=64)
    register(name="own_8", build=functools.partial(Own, stem_stride=8), small_below=64)
    assert [ce.create_model(name, input_size=63).stem_stride for name in ("own", "own_8")] == [2, 4]
    assert [ce.create_model(name, input_size=64).stem_stride for name in ("own", "own_8")] == [4, 8]


def test_until_cuts_the_network_at_an_endpoint(register):
    register(input_size=32)
    cut = ce.create_model("own", until="stage1")
    assert cut == ce.create_model("own", until="stage1", num_classes=0) == Own(num_classes=0, until="stage1")
    assert list(ce.feature_info("own", until="stage1")) == ["stage1"]


def test_a_network_without_options_is_built_and_takes_none(register):
    register(name="bare", build=Bare)
    assert ce.create_model("bare") == ce.create_model("bare", axis_name="batch") == Bare()
    given = {"num_classes": 3, "dtype": jnp.bfloat16, "width": 0.5, "act": nn.silu, "until": "stage1", "depths": (1,)}
    for option, value in given.items():
        with pytest.raises(ValueError, match=f"bare has no option '{option}'"):
            ce.create_model("bare", **{option: value})
    with pytest.raises(ValueError, match="bare has no batch normalisation"):
        ce.create_model("bare", norm=BatchNorm)


def test_a_function_can_be_registered_and_takes_what_it_names(register):
    register(build=lambda num_classes, rate=0.1, **others: Own(num_classes=num_classes, dropout=rate, **others))
    assert ce.create_model("own", num_classes=3, rate=0.5) == Own(num_classes=3, dropout=0.5)
    assert ce.model_info("own").num_classes == 1000
    with pytest.raises(ValueError, match="own has no batch normalisation"):
        ce.create_model("own", norm=BatchNorm)
    register(name="not_a_module", build=lambda num_classes: {"params": num_classes})
    with pytest.raises(ValueError, match=r"build of not_a_module returns a dict; expected a flax\.linen\.Module"):
        ce.create_model("not_a_module")


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"norm": nn.GroupNorm},
            r"norm is .*GroupNorm.*'train'; .*such as layers.group_norm\(32\)",
        ),
        ({"norm": 32}, r"norm is 32; .*such as layers.group_norm\(32\)"),
        ({"act": "silu"}, r"act is 'silu'; expected a function of arrays, for example jax.nn.silu"),
        (
            {"until": "stage9"},
            r"own has no endpoint 'stage9'; did you mean .*it has stage1, stage2, pre_logits",
        ),
        ({"until": "stage1", "num_classes": 10}, "num_classes is 10; expected None or 0 with until"),
        ({"untill": "stage1"}, "own has no option 'untill'; did you mean until"),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_what_would(register, options, message):
    register(input_size=32)
    with pytest.raises(ValueError, match=message):
        ce.create_model("own", **options)


def test_a_registered_network_is_costed_and_gives_features(register):
    register(input_size=32)
    model, images = ce.create_model("own"), jnp.ones((2, 32, 32, 3))
    variables = model.init(jax.random.key(0), images)
    assert ce.cost("own").name == "own" and list(ce.cost("own").stages()) == [
        "stage1",
        "stage2",
        "pre_logits",
        "output",
    ]
    assert ce.receptive_fields("own")["stage2"].stride == (8, 8)
    assert ce.feature_info("own") == {
        "stage1": ce.FeatureInfo(4, 8),
        "stage2": ce.FeatureInfo(8, 16),
        "pre_logits": ce.FeatureInfo(None, 16),
    }
    found = {name: x.shape for name, x in ce.features(model, variables, images).items()}
    assert found == {"stage1": (2, 8, 8, 8), "stage2": (2, 4, 4, 16), "pre_logits": (2, 16)}


def test_weights_of_a_registered_network_are_converted_by_its_names(register):
    register(input_size=32, names=NAMES)
    variables = ce.create_model("own", num_classes=3).init(jax.random.key(0), jnp.ones((1, 32, 32, 3)))
    state_dict = ce.to_torch("own", variables, source="mine")
    assert state_dict["features.conv1.weight"].shape == (8, 3, 3, 3) and state_dict["head.bias"].shape == (3,)
    back = ce.from_torch("own", state_dict, source="mine")
    jax.tree.map(np.testing.assert_array_equal, back, jax.device_get(variables))
    with pytest.raises(ValueError, match="no names of own in 'timm'; there are those of mine"):
        ce.from_torch("own", state_dict, source="timm")


def test_a_network_that_one_of_our_files_builds_shares_its_names_and_its_recipe(register):
    build = functools.partial(ce.model_info("resnet18").build, depths=(1, 1, 1, 1))
    register(name="resnet10", build=build, family="ResNet", module="resnet", names=NAMES)
    variables = jax.eval_shape(ce.create_model("resnet10").init, jax.random.key(0), jnp.ones((1, 224, 224, 3)))
    variables = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), variables)
    assert "layer4.0.bn2.running_var" in ce.to_torch("resnet10", variables, source="torchvision")
    assert named_recipes()["resnet10"].model == ModelConfig(name="resnet10")


def test_a_registered_network_is_trained_by_a_recipe_that_names_it(register):
    register()
    assert "own" not in named_recipes()
    assert build_model(Recipe(model=ModelConfig(name="own", width=0.5)), 7) == Own(num_classes=7, width=0.5)


@pytest.fixture
def module(register, tmp_path, monkeypatch):
    """The name of a module that registers `own`, as one finds it beside a command line."""
    (tmp_path / "own_networks.py").write_text(
        "import cnn_evolution as ce\n"
        "build = ce.model_info('vgg11').build\n"
        "ce.register(ce.ModelSpec(name='own', build=build, family='Own', year=2026))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_networks"
    sys.modules.pop("own_networks", None)


def test_a_module_that_registers_networks_goes_with_the_recipes_of_others(module):
    recipes = named_recipes([module])
    assert "resnet18" in recipes and ce.list_models("own") == ["own"]


# ---- Registering


def test_an_equal_specification_may_be_registered_again(register):
    for _ in range(2):  # partials are made anew, also within one another
        block = functools.partial(BatchNorm, momentum=0.5)
        register(build=functools.partial(Own, norm=block), names=dict(NAMES), mean=[0.5, 0.5, 0.5], num_classes=5)
    before = ce.model_info("own")
    register(build=functools.partial(Own, norm=block), names=NAMES, mean=(0.5, 0.5, 0.5), params=before.params)
    assert ce.model_info("own") is before
    ce.register(replace(before))


@pytest.mark.parametrize(
    "other, message",
    [
        ({"year": 2025}, "'own', whose year is 2026, not 2025;"),
        ({"family": "X", "year": 2025}, "family is 'Own', not 'X'; year is 2026, not 2025;"),
        ({"build": functools.partial(Own, width=0.5)}, "build is .*Own'>, not functools.partial.*width=0.5"),
        ({"num_classes": 6}, "num_classes is 5, not 6"),
        ({"params": 6}, r"params is \d+, not 6"),
        ({"names": NAMES}, "names is None, not {'mine'"),
    ],
)
def test_another_specification_under_a_taken_name_is_refused_with_what_differs(register, other, message):
    register(input_size=32)
    before = ce.model_info("own")
    with pytest.raises(ValueError, match=f"there is another model .*{message}.*a name that is not taken"):
        register(input_size=32, **other)
    assert ce.model_info("own") is before


def test_names_of_ours_are_taken(register):
    with pytest.raises(ValueError, match="there is another model 'resnet50', whose build is"):
        register(name="resnet50")


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"name": ""}, "name of the model '' is ''; expected letters, digits"),
        ({"name": "my net"}, "name of the model 'my net' is 'my net'; expected letters"),
        ({"name": 3}, "name of the model 3 is 3"),
        ({"build": Own()}, "(?s)build of the model 'own' is Own.*expected a Linen module class"),
        ({"build": "Own"}, "build of the model 'own' is 'Own'; expected a Linen module class"),
        ({"build": lambda depth, num_classes: None}, "expected a default for depth, for example by functools.partial"),
        ({"family": " "}, "family of the model 'own' is ' '; expected the family's name"),
        ({"family": None}, "family of the model 'own' is None; expected a text"),
        ({"year": "2026"}, "year of the model 'own' is '2026'; expected a whole number"),
        ({"year": True}, "year of the model 'own' is True"),
        ({"params": 1.5}, "params of the model 'own' is 1.5; expected a whole number from 0, or None"),
        ({"num_classes": 0}, "num_classes of the model 'own' is 0; expected a whole number from 1"),
        ({"input_size": 0}, "input_size of the model 'own' is 0"),
        ({"min_input_size": 225}, "min_input_size of the model 'own' is 225; expected at most 224"),
        ({"build": Bare, "small_below": 32}, "small_below of the model 'own' is 32; expected None"),
        ({"mean": 0.5}, "mean of the model 'own' is 0.5; expected three numbers"),
        ({"std": (0.5, 0.5, 0.0)}, r"std of the model 'own' is \(0.5, 0.5, 0.0\); expected numbers above 0"),
        ({"names": "timm"}, "names of the model 'own' is 'timm'; expected a mapping"),
    ],
)
def test_what_is_no_specification_is_refused(register, fields, message):
    with pytest.raises(ValueError, match=message):
        register(**fields)
    assert ce.list_models("own*") == []


def test_only_specifications_are_registered(register):
    with pytest.raises(TypeError, match="spec is of type type; expected a ModelSpec"):
        ce.register(Own)
