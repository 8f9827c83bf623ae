"""The list of published weights, and loading them: from a server on this machine, or from a file."""

import dataclasses
import hashlib
import logging
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

import cnn_evolution as ce
from cnn_evolution.pretrained import load_state_dict, published, save_state_dict
from cnn_evolution.pretrained.published import Choice, find_weights, parse_pretrained

EVERY = ce.pretrained_weights()


@pytest.mark.parametrize("weights", EVERY, ids=lambda weights: f"{weights.model}-{weights.source}-{weights.tag}")
def test_every_line_is_complete(weights):
    assert weights.source in published.SOURCES
    assert weights.url.startswith("https://") and weights.url.endswith((".pth", ".pth.zip"))
    assert re.fullmatch("[0-9a-f]{40}" if weights.hash_kind == "sha1" else "[0-9a-f]{8,64}", weights.hash)
    assert weights.hash[:8] in weights.url  # all three zoos put it into the file's name
    assert weights.crop <= weights.resize and weights.interpolation in ("bilinear", "bicubic")
    assert all(0 < value < 1 for value in (*weights.mean, *weights.std))
    for error in (weights.top1_error, weights.top5_error):
        assert error is None or 0 < error < 50
    if weights.top1_error is not None and weights.top5_error is not None:
        assert weights.top5_error < weights.top1_error
    assert weights.num_classes == {"imagenet2012": 1000, "cifar10": 10}[weights.dataset]


def test_no_two_lines_are_of_the_same_weights():
    assert len({(weights.model, weights.source, weights.tag) for weights in EVERY}) == len(EVERY)
    assert len({weights.url for weights in EVERY}) == len(EVERY)


def test_listed_numbers_of_classes_are_those_of_the_catalogue():
    for weights in EVERY:
        if weights.model in ce.list_models():
            assert weights.num_classes == ce.model_info(weights.model).num_classes


def test_known_weights_have_their_published_errors():
    (v1, v2) = ce.pretrained_weights("resnet50")
    assert (v1.tag, v1.hash, v1.top1_error, v1.top5_error) == ("IMAGENET1K_V1", "0676ba61", 23.87, 7.138)
    assert (v2.tag, v2.resize, v2.crop) == ("IMAGENET1K_V2", 232, 224)
    (googlenet,) = ce.pretrained_weights("googlenet_bn", source="torchvision")
    assert googlenet.mean == googlenet.std == (0.5, 0.5, 0.5)


def test_a_network_without_weights_is_answered_with_those_that_have_some():
    with pytest.raises(ValueError, match=r"no weights of googlenet are known, but for .*googlenet_bn"):
        ce.load_pretrained("googlenet")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "timm"}, "no weights timm of resnet50; there are torchvision:IMAGENET1K_V1, torchvision:IMAGENET"),
        ({"tag": "V3"}, "no weights V3 of resnet50; there are torchvision:IMAGENET1K_V1"),
        ({"path": "none.npz"}, r"no weights file none\.npz"),
        ({"path": "none.h5"}, r"'none\.h5'; expected one of"),
    ],
)
def test_what_there_is_not_is_named(arguments, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        ce.load_pretrained("resnet50", **arguments)


def test_an_unknown_network_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="no model 'resnet-50'; did you mean resnet50"):
        ce.load_pretrained("resnet-50")


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("timm", {"source": "timm"}),
        ("torchvision:IMAGENET1K_V2", {"source": "torchvision", "tag": "IMAGENET1K_V2"}),
        ("a:b/weights.pth", {"path": "a:b/weights.pth"}),
    ],
)
def test_a_word_names_a_zoo_a_tag_or_a_file(text, choice):
    parsed = parse_pretrained(text)
    assert {k: str(v) for k, v in parsed._asdict().items() if v is not None} == choice and isinstance(parsed, Choice)


def test_a_word_that_names_no_weights_is_refused():
    with pytest.raises(ValueError, match=r"'torchvison' names no weights; expected torchvision, timm, pytorchcv"):
        parse_pretrained("torchvison")


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


def flat(variables):
    return traverse_util.flatten_dict(variables, sep="/")


def test_a_local_file_is_loaded_to_the_bit(state_dict, path):
    loaded = ce.to_torch("se_resnet18", ce.load_pretrained("se_resnet18", path=path), source="timm")
    assert loaded.keys() == state_dict.keys()
    assert all(np.array_equal(loaded[name], state_dict[name]) for name in loaded)


def test_weights_are_downloaded_once_and_proven(path, server, tmp_path, monkeypatch):
    server.content, server.faults = path.read_bytes(), [1_000_000]
    digest = hashlib.sha256(server.content).hexdigest()
    real = find_weights("se_resnet18")
    listed = dataclasses.replace(real, url=f"{server.url}/w-{digest[:8]}.safetensors", hash=digest[:8])
    monkeypatch.setattr(published, "_listed", lambda: (listed,))
    monkeypatch.setenv("CNN_EVOLUTION_WEIGHTS", str(tmp_path))
    for _ in range(2):
        loaded = ce.load_pretrained("se_resnet18")
    assert all(np.array_equal(a, b) for a, b in zip(flat(loaded).values(), flat(own(path)).values(), strict=True))
    assert server.requests == [None, "bytes=1000000-"]
    assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.*")] == [f"timm/w-{digest[:8]}.safetensors"]


def own(path):
    return ce.from_torch("se_resnet18", load_state_dict(path), source="timm")


def test_corrupt_weights_are_never_read(path, server, tmp_path, monkeypatch):
    server.content = path.read_bytes()
    listed = dataclasses.replace(find_weights("se_resnet18"), url=f"{server.url}/w-00000000.npz", hash="00000000")
    monkeypatch.setattr(published, "_listed", lambda: (listed,))
    monkeypatch.setattr(published, "load_state_dict", lambda path: pytest.fail("it was read"))
    with pytest.raises(OSError, match="but 00000000 is published: it was removed"):
        ce.load_pretrained("se_resnet18", cache_dir=tmp_path)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_for_other_classes_the_body_is_kept_and_the_head_starts_anew_and_that_is_said(path, caplog):
    loaded, published = flat(ce.load_pretrained("se_resnet18", path=path, num_classes=7)), flat(own(path))
    assert loaded["params/fc/kernel"].shape == (512, 7)
    anew = {name for name in loaded if not np.array_equal(loaded[name], published[name])}
    assert loaded.keys() == published.keys() and anew == {"params/fc/kernel", "params/fc/bias"}
    assert "se_resnet18 for 7 classes: fc start anew" in caplog.text


def test_a_new_head_is_drawn_by_the_key(path):
    heads = [
        ce.load_pretrained("se_resnet18", path=path, num_classes=7, key=key)["params"]["fc"]["kernel"]
        for key in (None, jax.random.key(0), jax.random.key(1))
    ]
    assert np.array_equal(heads[0], heads[1]) and not np.array_equal(heads[1], heads[2])
    assert 0.5 < heads[0].std() * 512**0.5 < 2  # as the network's own initialisation


def test_the_classes_of_the_weights_are_kept_without_a_word(path, caplog):
    with caplog.at_level(logging.WARNING):
        loaded = ce.load_pretrained("se_resnet18", path=path, num_classes=1000)
    assert np.array_equal(loaded["params"]["fc"]["kernel"], own(path)["params"]["fc"]["kernel"]) and not caplog.text


def test_no_classes_drop_the_head(path):
    loaded = flat(ce.load_pretrained("se_resnet18", path=path, num_classes=0))
    assert flat(own(path)).keys() - loaded.keys() == {"params/fc/kernel", "params/fc/bias"}


def test_a_background_class_is_left_out(state_dict, tmp_path):
    rows = {
        name: np.concatenate([np.full_like(array[:1], 9), array]) if name.startswith("last_linear") else array
        for name, array in state_dict.items()
    }
    save_state_dict(tmp_path / "a.npz", rows)
    loaded = ce.to_torch("se_resnet18", ce.load_pretrained("se_resnet18", path=tmp_path / "a.npz"), source="timm")
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
        ce.load_pretrained("resnet18", path=path)


def test_importing_the_package_imports_nothing_that_reads_weights():
    code = "import sys, cnn_evolution; print({'torch', 'safetensors', 'requests'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
