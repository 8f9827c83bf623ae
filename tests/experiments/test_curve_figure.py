"""The picture of the error-rate curve and the numbers beside it."""

import csv
import subprocess
import sys

import pytest
from PIL import Image

from cnn_evolution.history import chart_entries
from experiments.curve_figure import MeasuredError, draw_curve

MEASURED = (
    MeasuredError(label="AlexNet", year=2012, model="alexnet", errors=(34.0, 35.5)),
    MeasuredError(label="VGG-11", year=2014, model="vgg11", errors=(57.0, 61.0), apart=True),
    MeasuredError(label="VGG-11-BN", year=2014, model="vgg11_bn", errors=(9.0, 9.0)),
    MeasuredError(label="Ensemble", year=2016, model="alexnet, vgg11_bn", errors=(4.0, 5.0), ensemble=True),
)
PROTOCOL = "validation split, 8 epochs, one centre crop"


def draw(directory, measured=MEASURED, dataset="mini_ilsvrc"):
    return draw_curve(measured, directory / "curve", dataset=dataset, protocol=PROTOCOL)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("drawn"))


def test_writes_a_picture_in_two_formats_and_its_numbers_and_nothing_else(drawn):
    assert [path.name for path in drawn] == ["curve.png", "curve.svg", "curve.csv"]
    assert sorted(drawn[0].parent.iterdir()) == sorted(drawn)
    with Image.open(drawn[0]) as picture:
        assert min(picture.size) > 1000


def test_csv_has_the_measured_errors_exactly(drawn):
    with drawn[2].open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["panel"] == "measured"]
    assert rows[0] == {
        "panel": "measured",
        "year": "2012",
        "name": "AlexNet",
        "model": "alexnet",
        "data": "mini_ilsvrc",
        "top5_error": "34.75",
        "lowest": "34.0",
        "highest": "35.5",
        "by_seed": "34.0 35.5",
        "apart": "no",
        "source": PROTOCOL,
    }
    assert [(row["name"], row["top5_error"], row["apart"]) for row in rows] == [
        ("AlexNet", "34.75", "no"),
        ("VGG-11", "59.0", "yes"),
        ("VGG-11-BN", "9.0", "no"),
        ("Ensemble", "4.5", "no"),
    ]


def test_csv_has_the_published_errors_with_their_sources(drawn):
    with drawn[2].open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["panel"] == "published"]
    assert [float(row["top5_error"]) for row in rows] == [entry.top5_test_error for entry in chart_entries()] + [5.1]
    assert all(row["source"] and row["data"] == "ImageNet" for row in rows)


@pytest.mark.parametrize(
    "words",
    [
        "Measured here on mini_ilsvrc, which is not ImageNet",
        PROTOCOL,
        "Published: ILSVRC, 2010 to 2017",
        "trained human 5.1",
        "hand-made features",
        "published form, without batch normalisation",
        "range over seeds",
        "ensemble",
        "top-5 error (%)",
        "image-net.org/challenges/LSVRC",
        "28.2",
        "2.3",
        "VGG-11-BN",
        "34.8",
        "34.0 to 35.5",
    ],
)
def test_picture_says(drawn, words):
    assert words in drawn[1].read_text(encoding="utf-8")


def test_picture_says_imagenet_only_where_it_was_measured(tmp_path):
    svg = draw(tmp_path, dataset="imagenet2012")[1].read_text(encoding="utf-8")
    assert "Measured here on ImageNet (imagenet2012)" in svg
    assert "not ImageNet" not in svg


def test_one_seed_shows_no_range(tmp_path):
    one = MeasuredError(label="AlexNet", year=2012, model="alexnet", errors=(34.0,))
    svg = draw(tmp_path, measured=[one])[1].read_text(encoding="utf-8")
    assert "34.0" in svg
    assert "range over seeds" not in svg


def test_same_numbers_same_files_and_old_ones_are_replaced(drawn, tmp_path):
    draw(tmp_path, measured=MEASURED[:1])
    assert [path.read_bytes() for path in draw(tmp_path)] == [path.read_bytes() for path in drawn]


def test_nothing_measured_is_an_error_and_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="at least one generation"):
        draw(tmp_path, measured=[])
    assert not list(tmp_path.iterdir())


def test_failed_write_leaves_no_part_of_a_file(tmp_path):
    (tmp_path / "curve.csv").mkdir()
    with pytest.raises(OSError):
        draw(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["curve.csv"]


def test_generation_without_errors_is_named():
    with pytest.raises(ValueError, match="ZFNet has no error"):
        MeasuredError(label="ZFNet", year=2013, model="zfnet", errors=())


@pytest.mark.parametrize("error", [-1.0, 100.5, float("nan")])
def test_error_that_is_no_percentage_is_named(error):
    with pytest.raises(ValueError, match=f"ZFNet is {error}; expected a percentage"):
        MeasuredError(label="ZFNet", year=2013, model="zfnet", errors=(error,))


def test_drawing_needs_no_display():
    code = "import sys, experiments.curve_figure; sys.exit('matplotlib.pyplot' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
