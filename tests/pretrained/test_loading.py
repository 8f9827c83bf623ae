"""Loading networks with weights: from a server on this machine, from files that hold drawn weights, from runs."""

import dataclasses
import hashlib
import logging
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

import cnn_evolution as ce
from cnn_evolution import layers
from cnn_evolution.data import CenterCrop
from cnn_evolution.pixels import Pixels
from cnn_evolution.pretrained import conversion, load_state_dict, loading, published, save_state_dict
from cnn_evolution.pretrained.classes import classes_of
from cnn_evolution.pretrained.conversion import ANY_CLASSES, correspondence, default_source
from cnn_evolution.pretrained.published import find_weights
from cnn_evolution.recipes import load_classifier
from tests.runs import one_step
from tests.tiers import WAITED_FOR, exhaustive


@pytest.fixture(scope="module")
def state_dict():
    """What a zoo would publish of the smallest network that has weights, drawn."""
    shapes = jax.eval_shape(ce.create_model("se_resnet18").init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape, np.float32), shapes)
    return ce.to_torch("se_resnet18", variables, source="timm")


@pytest.fixture(scope="module")
def path(state_dict, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_state_dict(path, state_dict)
    return path


def written(path, name, source, rows=None, **options):
    """A file of a zoo's weights; each array holds its number, those of classes have so many rows."""
    arrays = {}
    for number, leaf in enumerate(correspondence(name, source, **options)):
        classes = rows or ce.model_info(name).num_classes
        shape = dataclasses.replace(leaf, shape=tuple(classes if n == ANY_CLASSES else n for n in leaf.shape))
        arrays[leaf.key] = np.full(shape.torch_shape, number, np.float32)
    save_state_dict(path, arrays)
    return path


def load(name, path, source="timm", **arguments):
    return ce.load(name, path=path, source=source, **arguments).variables


def flat(variables):
    return traverse_util.flatten_dict(variables, sep="/")


def test_a_network_without_weights_is_answered_with_those_that_have_some():
    with pytest.raises(ValueError, match=r"no weights of googlenet are known, but for .*googlenet_bn"):
        ce.load("googlenet")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "timm"}, "no weights timm of resnet50; there are torchvision:IMAGENET1K_V1, torchvision:IMAGENET"),
        ({"tag": "V3"}, "no weights V3 of resnet50; there are torchvision:IMAGENET1K_V1"),
        ({"path": "none.npz"}, r"no weights file none\.npz, and no directory of a run"),
        ({"width": 0}, "width is 0"),
        ({"aux_heds": False}, "no option 'aux_heds'"),
    ],
)
def test_what_there_is_not_is_named(arguments, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        ce.load("resnet50", **arguments)


def test_an_unknown_network_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="no model 'resnet-50'; did you mean resnet50"):
        ce.load("resnet-50")


def test_a_name_or_a_run_is_needed(path):
    with pytest.raises(ValueError, match=r"load needs the network's name; only the directory of a run"):
        ce.load()
    with pytest.raises(ValueError, match=r"weights\.safetensors, a file of weights, needs the network's name"):
        ce.load(path=path, source="timm")


def test_a_file_needs_its_source(path):
    with pytest.raises(ValueError, match=r"does not say whose names .* give the source: torchvision, pytorchcv"):
        ce.load("resnet18", path=path)
    with pytest.raises(ValueError, match=r"no names of resnet18 in 'torchvison'; did you mean torchvision\?"):
        ce.load("resnet18", path=path, source="torchvison")


def test_a_file_of_no_kind_of_weights_is_refused(tmp_path):
    (tmp_path / "w.h5").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"'w\.h5'; expected one of"):
        load("resnet18", tmp_path / "w.h5", source="torchvision")


def test_a_tag_says_which_weights_a_file_has(tmp_path):
    path = written(tmp_path / "w.npz", "mnasnet0_75", "torchvision")
    assert ce.load("mnasnet0_75", path=path, source="torchvision", tag="IMAGENET1K_V1").weights.tag == "IMAGENET1K_V1"
    with pytest.raises(ValueError, match="no weights torchvision:V9 of mnasnet0_75; there are torchvision:IMAGENET1K"):
        ce.load("mnasnet0_75", path=path, source="torchvision", tag="V9")


def test_a_file_of_a_network_that_its_zoo_does_not_publish_is_prepared_as_the_catalogue_says_and_that_is_said(
    tmp_path, caplog
):
    path = written(tmp_path / "w.npz", "cifar_resnet20", "pytorchcv")
    network = ce.load("cifar_resnet20", path=path, source="pytorchcv")
    spec = ce.model_info("cifar_resnet20")
    assert network.pixels == Pixels(spec.mean, spec.std) and network.crop == CenterCrop(size=32, resize=32)
    assert network.weights is None and network.classes == tuple("0123456789")
    assert "no zoo says how images of cifar_resnet20 are prepared" in caplog.text


def test_a_local_file_is_loaded_to_the_bit(state_dict, path):
    loaded = ce.to_torch("se_resnet18", load("se_resnet18", path), source="timm")
    assert loaded.keys() == state_dict.keys()
    assert all(np.array_equal(loaded[name], state_dict[name]) for name in loaded)


def test_weights_are_downloaded_once_and_have_the_published_digits(path, server, tmp_path, monkeypatch):
    server.content, server.faults = path.read_bytes(), [1_000_000]
    digest = hashlib.sha256(server.content).hexdigest()
    real = find_weights("se_resnet18")
    listed = dataclasses.replace(real, url=f"{server.url}/w-{digest[:8]}.safetensors", hash_digits=digest[:8])
    monkeypatch.setattr(published, "_listed", lambda: (listed,))
    monkeypatch.setenv("CNN_EVOLUTION_WEIGHTS", str(tmp_path))
    for _ in range(2):
        loaded = ce.load("se_resnet18").variables
    assert all(np.array_equal(a, b) for a, b in zip(flat(loaded).values(), flat(own(path)).values(), strict=True))
    assert server.requests == [None, "bytes=1000000-"]
    assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.*")] == [f"timm/w-{digest[:8]}.safetensors"]


def own(path):
    return ce.from_torch("se_resnet18", load_state_dict(path), source="timm")


def test_corrupt_weights_are_never_read(path, server, tmp_path, monkeypatch):
    server.content = path.read_bytes()
    listed = dataclasses.replace(
        find_weights("se_resnet18"), url=f"{server.url}/w-00000000.npz", hash_digits="00000000"
    )
    monkeypatch.setattr(published, "_listed", lambda: (listed,))
    monkeypatch.setattr(loading, "load_state_dict", lambda path: pytest.fail("it was read"))
    with pytest.raises(OSError, match="but one that begins with 00000000 is published: it was removed"):
        ce.load("se_resnet18", cache_dir=tmp_path)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_for_other_classes_the_body_is_kept_and_the_head_starts_anew_and_that_is_said(path, caplog):
    loaded, published = flat(load("se_resnet18", path, num_classes=7)), flat(own(path))
    assert loaded["params/fc/kernel"].shape == (512, 7)
    anew = {name for name in loaded if not np.array_equal(loaded[name], published[name])}
    assert loaded.keys() == published.keys() and anew == {"params/fc/kernel", "params/fc/bias"}
    assert "se_resnet18 for 7 classes: fc start anew" in caplog.text


def test_a_new_head_is_drawn_by_the_key(path):
    heads = [
        load("se_resnet18", path, num_classes=7, key=key)["params"]["fc"]["kernel"]
        for key in (None, jax.random.key(0), jax.random.key(1))
    ]
    assert np.array_equal(heads[0], heads[1]) and not np.array_equal(heads[1], heads[2])
    assert 0.5 < heads[0].std() * 512**0.5 < 2  # as the network's own initialisation


def test_the_classes_of_the_weights_are_kept_without_a_word(path, caplog):
    with caplog.at_level(logging.WARNING):
        loaded = load("se_resnet18", path, num_classes=1000)
    assert np.array_equal(loaded["params"]["fc"]["kernel"], own(path)["params"]["fc"]["kernel"]) and not caplog.text


def test_no_classes_drop_the_head(path):
    loaded = flat(load("se_resnet18", path, num_classes=0))
    assert flat(own(path)).keys() - loaded.keys() == {"params/fc/kernel", "params/fc/bias"}


def test_a_background_class_is_left_out(state_dict, tmp_path):
    rows = {
        name: np.concatenate([np.full_like(array[:1], 9), array]) if name.startswith("last_linear") else array
        for name, array in state_dict.items()
    }
    save_state_dict(tmp_path / "a.npz", rows)
    loaded = ce.to_torch("se_resnet18", load("se_resnet18", tmp_path / "a.npz"), source="timm")
    assert np.array_equal(loaded["last_linear.weight"], state_dict["last_linear.weight"])
    assert np.array_equal(loaded["last_linear.bias"], state_dict["last_linear.bias"])


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_prefixes_of_torchs_wrappers_are_left_out_and_said(state_dict, prefix, caplog):
    wrapped = {prefix + key: value for key, value in state_dict.items()}
    back = ce.to_torch("se_resnet18", ce.from_torch("se_resnet18", wrapped, source="timm"), source="timm")
    assert back.keys() == state_dict.keys() and all(np.array_equal(back[key], state_dict[key]) for key in back)
    assert len(caplog.records) == prefix.count(".") and "torch's wrappers" in caplog.text
    first = next(iter(state_dict))
    del wrapped[prefix + first]
    with pytest.raises(ValueError, match=rf"1 keys differ:\n  missing: {re.escape(first)}"):
        ce.from_torch("se_resnet18", wrapped, source="timm")


def test_a_file_of_another_network_is_refused(path):
    with pytest.raises(ValueError, match="these are not torchvision's weights of resnet18"):
        load("resnet18", path, source="torchvision")


PUBLISHED = dict.fromkeys((weights.model, weights.source) for weights in ce.pretrained_weights())


@pytest.mark.parametrize(
    ("name", "source"),
    [
        pytest.param(
            name, source, marks=() if name in (*WAITED_FOR, "wrn_28_10") else exhaustive, id=f"{name}-{source}"
        )
        for name, source in PUBLISHED
    ],
)
def test_every_published_network_is_loaded_with_all_that_belongs_to_it(name, source, tmp_path):
    """Of timm's with a background class before the others, as those from TensorFlow have it."""
    listed = ce.pretrained_weights(name, source=source)
    path = written(tmp_path / "w.safetensors", name, source, rows=1001 if source == "timm" else None)
    shapes = flat(jax.eval_shape(ce.create_model(name).init, jax.random.key(0), image_of(name)))
    for weights in listed:
        network = ce.load(name, source=source, tag=weights.tag, path=path)
        loaded = flat(network.variables)
        assert {leaf: array.shape for leaf, array in loaded.items()} == {leaf: x.shape for leaf, x in shapes.items()}
        numbers = ["/".join(leaf.path) for leaf in correspondence(name, source)]
        assert all(array.dtype == np.float32 and (array == numbers.index(leaf)).all() for leaf, array in loaded.items())
        assert network.model == ce.create_model(name) and network.weights == weights
        assert network.pixels == Pixels(weights.mean, weights.std)
        assert network.crop == CenterCrop(weights.crop, weights.resize, weights.interpolation)
        assert network.classes == classes_of(weights.dataset).names and len(network.classes) == weights.num_classes


def image_of(name):
    size = ce.model_info(name).input_size
    return jax.ShapeDtypeStruct((1, size, size, 3), np.float32)


def test_auxiliary_classifiers_may_be_left_out_of_a_file_that_has_them(tmp_path):
    path = written(tmp_path / "w.npz", "googlenet_bn", "torchvision")
    whole = flat(load("googlenet_bn", path, "torchvision"))
    without = flat(load("googlenet_bn", path, "torchvision", aux_heads=False))
    assert {leaf.split("/")[1] for leaf in whole.keys() - without.keys()} == {"aux_4a", "aux_4d"}
    assert without.keys() < whole.keys() and all(np.array_equal(without[leaf], whole[leaf]) for leaf in without)


def test_a_file_without_auxiliary_classifiers_needs_the_option_that_it_was_made_for(tmp_path):
    path = written(tmp_path / "w.npz", "googlenet_bn", "torchvision", aux_heads=False)
    network = ce.load("googlenet_bn", path=path, source="torchvision", aux_heads=False)
    assert network.model.aux_heads is False and len(network.classes) == 1000
    with pytest.raises(ValueError, match=r"keys differ:\n  missing: aux1"):
        load("googlenet_bn", path, "torchvision")


def test_a_file_of_another_depth_is_refused_even_where_what_is_asked_for_is_the_same(tmp_path):
    path = written(tmp_path / "w.npz", "resnet18", "torchvision")
    with pytest.raises(ValueError, match=r"missing: layer2\.2\.conv1\.weight"):
        load("resnet34", path, "torchvision", num_classes=0)


def test_weights_do_not_fill_a_network_of_other_shapes(path):
    with pytest.raises(
        ValueError, match=r"(?s)do not fill this se_resnet18 \(as published it has width 1 .* wrong shape"
    ):
        load("se_resnet18", path, width=0.5)


def test_of_classes_without_names_the_labels_stand_for_them_which_is_said(tmp_path, caplog):
    path = written(tmp_path / "w.npz", "se_resnet18", "timm", rows=3)
    assert ce.load("se_resnet18", path=path, source="timm").classes == ("0", "1", "2")
    assert "the names of the 3 classes of se_resnet18 are not known; timm's weights have 1000" in caplog.text


def test_a_file_of_another_width_is_read_with_it(tmp_path):
    narrow = written(tmp_path / "w.npz", "se_resnet18", "timm", width=0.25)
    assert flat(load("se_resnet18", narrow, width=0.25))["params/fc/kernel"].shape == (128, 1000)


def test_of_smaller_images_the_crop_is_scaled_too(path):
    network = ce.load("se_resnet18", path=path, source="timm", input_size=64)
    assert network.crop == CenterCrop(size=64, resize=73, interpolation="bicubic")  # 224 of 256
    assert network.model == ce.create_model("se_resnet18", input_size=64)


def has_option(name, option):
    return option in {field.name for field in dataclasses.fields(ce.create_model(name))}


@pytest.mark.skipif(not has_option("se_resnet18", "until"), reason="create_model has no option until")
def test_a_network_that_ends_at_an_endpoint_is_filled_up_to_it(path):
    network = ce.load("se_resnet18", path=path, source="timm", until="stage3")
    loaded, published = flat(network.variables), flat(own(path))
    assert loaded.keys() < published.keys() and all(np.array_equal(loaded[leaf], published[leaf]) for leaf in loaded)
    assert {leaf.split("/")[1].split("_")[0] for leaf in published.keys() - loaded.keys()} == {"stage4", "fc"}
    assert network.classes == ()


@pytest.mark.skipif(not hasattr(layers, "frozen_batch_norm"), reason="there is no frozen_batch_norm")
def test_frozen_batch_normalisation_keeps_the_published_arrays(path):
    loaded, published = flat(load("se_resnet18", path, norm=layers.frozen_batch_norm)), flat(own(path))
    assert loaded.keys() == published.keys() and all(np.array_equal(loaded[leaf], published[leaf]) for leaf in loaded)


@pytest.mark.skipif(not hasattr(layers, "group_norm"), reason="there is no group_norm")
def test_weights_of_batch_normalisation_do_not_fill_another(path):
    with pytest.raises(
        ValueError, match=r"(?s)weights are of batch normalisation.*left over: batch_stats/bn1/mean \(64,\)"
    ):
        load("se_resnet18", path, norm=layers.group_norm(32))


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return one_step(tmp_path_factory.mktemp("runs"))


def test_a_run_is_loaded_without_its_data(run_dir, monkeypatch):
    build = sys.modules["cnn_evolution.recipes.build"]
    monkeypatch.setattr(build, "open_source", lambda *_, **__: pytest.fail("it was opened"))
    network, run = ce.load(path=run_dir), load_classifier(run_dir)
    assert jax.tree.all(jax.tree.map(np.array_equal, network.variables, run.variables))
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(network.variables))
    assert (network.model, network.pixels, network.crop) == (run.model, run.pixels, CenterCrop(size=32, resize=36))
    assert len(network.classes) == len(set(network.classes)) == 100 and network.weights is None
    ((best, *_),) = network.predict(np.zeros((40, 50, 3), np.uint8), k=2)
    assert best[0] in network.classes and 0 < best[1] < 1


def test_a_run_is_of_the_network_that_is_named(run_dir):
    assert ce.load("vgg11", path=run_dir).model == ce.load(path=run_dir).model
    with pytest.raises(ValueError, match=r"holds a run of vgg11, and not of 'vgg13'"):
        ce.load("vgg13", path=run_dir)


def test_a_run_takes_no_options_and_no_source(run_dir):
    with pytest.raises(ValueError, match="it takes no source, num_classes, width"):
        ce.load(path=run_dir, source="timm", num_classes=0, width=0.5)


def test_a_directory_without_a_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        ce.load(path=tmp_path)


def test_state_dicts_have_the_names_of_the_same_zoo_as_what_is_loaded_where_none_is_named(state_dict):
    variables = ce.from_torch("se_resnet18", state_dict)
    assert ce.to_torch("se_resnet18", variables).keys() == state_dict.keys()
    assert {default_source(name) for name, _ in PUBLISHED} == set(published.SOURCES)
    assert all(default_source(name) == find_weights(name).source for name, _ in PUBLISHED)
    assert default_source("googlenet") == "torchvision"  # which publishes no weights of it, but has names


def test_a_network_that_no_zoo_has_needs_names(state_dict, path, monkeypatch):
    monkeypatch.setattr(conversion, "zoos_of", lambda name: {})
    with pytest.raises(ValueError, match="no zoo has googlenet, so there are no names to convert its weights by"):
        ce.from_torch("googlenet", state_dict)
    with pytest.raises(ValueError, match="give the source: none, since no zoo has googlenet"):
        ce.load("googlenet", path=path)
