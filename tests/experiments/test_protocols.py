"""The table and the picture of test protocols."""

import csv
import sys

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from cnn_evolution import model_info
from cnn_evolution.evaluation.protocols import googlenet_144, single_crop
from cnn_evolution.history import published_error
from experiments import protocols as command
from experiments.protocols_figure import draw


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs the command in an empty directory; returns what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def printed(*arguments):
        monkeypatch.setattr(sys, "argv", ["x", *arguments])
        command.main()
        return capsys.readouterr().out

    return printed


def photo(height, width):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def test_every_published_test_and_what_its_gain_is_over_have_errors():
    for tested in command.PUBLISHED:
        assert published_error(tested.network, tested.protocol).top5_error
        assert tested.over is None or published_error(tested.network, tested.over).top5_error


def test_the_names_of_protocols_count_their_views():
    for name, make in command.PROTOCOLS.items():
        assert make().passes == int(name.split()[0])


def test_the_table_has_passes_cost_and_gain():
    chosen = [tested for tested in command.PUBLISHED if tested.network in ("alexnet", "googlenet")]
    alexnet, *googlenet = command.protocol_table(chosen).rows
    assert (alexnet["view (px)"], alexnet["views"], alexnet["top-5 error (%)"]) == (227, 10, 18.2)
    assert alexnet["gain (points)"] == ""  # its paper has no error of one crop on these images
    assert alexnet["MACs (G)"] == round(10 * model_info("alexnet").macs / 1e9, 2)
    assert [row["top-5 error (%)"] for row in googlenet] == [10.07, 9.15, 7.89]
    assert [row["gain (points)"] for row in googlenet] == ["", 0.92, 2.18]
    macs = model_info("googlenet").macs
    assert [row["MACs (G)"] for row in googlenet] == [round(views * macs / 1e9, 2) for views in (1, 10, 144)]


def test_a_network_is_counted_under_every_protocol_with_the_gains_that_are_published():
    assert [(one.protocol, one.over) for one in command.under_all("googlenet")] == [
        ("1 crop", None),
        ("10 crops", "1 crop"),
        ("144 crops", "1 crop"),
        ("150 crops", None),
    ]
    assert {one.over for one in command.under_all("resnet18")} == {None}


def test_the_command_prints_the_protocols_in_words_and_writes_nothing(run, tmp_path):
    printed = run("--network", "alexnet")
    assert "150 crops 227 (5 x 5 grid, mirrored too) of short sides 256, 384, 512\n" in printed
    assert "18.2" in printed and not list(tmp_path.iterdir())


def test_a_photograph_is_drawn_with_its_views_beside_it(run, tmp_path):
    photo(30, 45).save("photo.png")
    assert run("photo.png", "--network", "alexnet", "--plot", "seen.png").endswith("seen.png\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png", "seen.csv", "seen.png", "seen.svg"]
    rows = list(csv.DictReader((tmp_path / "seen.csv").read_text().splitlines()))
    assert len(rows) == 1 + 10 + 144 + 150 and sum(row["mirrored"] == "True" for row in rows) == 5 + 72 + 75
    for words in ("see of photo.png", "432 x 288: 36 views", "576 x 384: 50 views", "centre crop 224 of short side"):
        assert words in (tmp_path / "seen.svg").read_text()


def test_without_a_photograph_one_of_the_examples_is_drawn(run, tmp_path, monkeypatch):
    seen = []
    photo(20, 20).save("cat.png")
    monkeypatch.setattr(command, "examples", lambda: [tmp_path / "cat.png"])
    monkeypatch.setattr("experiments.protocols_figure.save_views", lambda *arguments: seen.append(arguments))
    run("--network", "alexnet", "--plot", "seen.png")
    ((image, name, drawn, path),) = seen
    assert (image.size, name, str(path)) == ((20, 20), "cat.png", "seen.png")
    assert [protocol.passes for protocol in drawn] == [1, 10, 144, 150]


def test_every_outline_is_a_view_at_its_place_and_panels_do_not_overlap():
    protocols = [single_crop(), googlenet_144()]
    figure = draw(photo(60, 45), "photo", protocols)
    assert len(figure.axes) == 5
    panels = [(protocol, scale) for protocol in protocols for scale in protocol.scales]
    for axes, (seen, scale) in zip(figure.axes, panels, strict=True):
        boxes = {(*box[1:3], box.side) for box in seen.boxes(60, 45) if box.scale == scale}
        outlines = [patch for patch in axes.patches if isinstance(patch, Rectangle) and not patch.get_fill()]
        assert {(*patch.get_xy(), patch.get_width()) for patch in outlines} == boxes and len(outlines) == len(boxes)
        assert len(axes.lines) == sum(side == 224 for *_, side in boxes)
    places = [axes.get_position() for axes in figure.axes]
    assert not any(one.overlaps(other) for n, one in enumerate(places) for other in places[:n])
    assert all(0 <= place.x0 < place.x1 <= 1 and 0 <= place.y0 < place.y1 <= 1 for place in places)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["photo.png"], "photo.png, and no picture; expected --plot PICTURE.png too"),
        (["photo.png", "--plot", "seen.jpg"], "such as seen.png"),
        (["nothing.png", "--plot", "seen.png"], "nothing.png: No such file"),
        (["--network", "resnet5"], "did you mean resnet50"),
        (["--network", "inception_v3"], "inception_v3 under 1 crop: size is 299, expected 1 to 256"),
    ],
)
def test_what_cannot_be_drawn_or_counted_is_refused_before_anything_is_written(run, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        run(*arguments, *([] if "--network" in arguments else ["--network", "alexnet"]))
    assert not list(tmp_path.iterdir())
