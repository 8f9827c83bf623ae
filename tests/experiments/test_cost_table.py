"""Tables and figures of cost."""

import csv
import io
import sys

import pytest
from rich.console import Console

import cnn_evolution as ce
from experiments import cost_figures, cost_table
from experiments.tables import Table, as_markdown, print_table, save_table

NETWORKS = ("alexnet", "zfnet", "vgg11", "googlenet", "resnet18", "resnet50", "se_resnet50")


@pytest.fixture(scope="module")
def every():
    return {name: ce.cost(name) for name in NETWORKS}


def test_layers_add_up_to_the_whole(every):
    *layers, whole = cost_table.layer_table(every["alexnet"]).rows
    assert [row["layer"] for row in layers][:3] == ["conv1", "pool1", "conv2"]
    assert sum(row["parameters"] for row in layers) == whole["parameters"] == 60_965_224
    assert sum(row["MACs (M)"] for row in layers) == pytest.approx(whole["MACs (M)"], abs=0.05)


def test_unused_parameters_and_remarks_are_in_the_note(every):
    assert "6,379,728 parameters are not needed for the output" in cost_table.layer_table(every["googlenet"]).note


def test_stages_show_cost_and_receptive_field(every):
    rows = {row["endpoint"]: row for row in cost_table.stage_table(every["resnet18"]).rows}
    assert (rows["stage4"]["field (px)"], rows["stage4"]["stride (px)"]) == (435, 32)
    assert (rows["stage4"]["whole image"], rows["pre_logits"]["whole image"]) == ("", "yes")
    assert rows["output"]["parameters"] == 513_000


def test_stems_are_compared_with_googlenets(every):
    rows = {row["network"]: row for row in cost_table.stem_table(every).rows}
    assert rows["googlenet"]["MACs (M)"] == 477.7
    assert (rows["vgg11"]["memory ratio"], rows["vgg11"]["MAC ratio"]) == ("4.0x", "7.9x")
    assert "alexnet" not in rows  # it has no map of 28 x 28


def test_arguments_are_formulas():
    rows = {row["convolutions"]: row["MACs"] for row in cost_table.argument_table().rows}
    assert rows["three 3x3"] == "27 C^2 H W" and rows["one 7x7"] == "49 C^2 H W"
    assert rows["3x3, C channels, map 2H x 2W"] == rows["3x3, 2C channels, map H x W"] == "36 C^2 H W"


def test_errors_belong_to_the_cost_at_their_size_of_image(every):
    rows = {row["network"]: row for row in cost_table.error_table(every).rows}
    assert rows["resnet18"]["top-5 error (%)"] == 10.922
    assert (rows["zfnet"]["protocol"], rows["vgg11"]["protocol"]) == ("10 crops", "1 crop")
    assert all(row["source"] for row in rows.values())


def test_tables_become_csv_markdown_and_terminal(tmp_path):
    table = Table("name", "A title", [{"a": "x|y", "b": 12_345}, {"a": "z", "b": 1}], "A note.")
    numbers, document = save_table(table, tmp_path)
    assert list(csv.DictReader(numbers.read_text().splitlines())) == [{"a": "x|y", "b": "12345"}, {"a": "z", "b": "1"}]
    assert document.read_text() == as_markdown(table)
    assert as_markdown(table).splitlines()[2:6] == ["| a | b |", "| --- | --- |", r"| x\|y | 12,345 |", "| z | 1 |"]
    text = io.StringIO()
    print_table(Console(file=text, width=60), table)
    for words in ("A title", "x|y", "12,345", "A note."):
        assert words in text.getvalue()


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (
            lambda every, stem: cost_figures.draw_layers([every["alexnet"], every["vgg11"]], stem),
            ("alexnet, 227 x 227 pixels", "conv5_2", "activations (MiB)", "fully connected"),
        ),
        (
            lambda every, stem: cost_figures.draw_years(cost_table.total_table(every), stem),
            ("2012", "ResNet", "multiply-accumulates (G)", "parameters (M)"),
        ),
        (
            lambda every, stem: cost_figures.draw_errors(cost_table.error_table(every), stem),
            ("top-5 error (%)", "googlenet", "se_resnet50", "Zeiler &amp; Fergus 2014", "picture.csv", "10 crops"),
        ),
    ],
    ids=["layers", "years", "errors"],
)
def test_figures_are_drawn_twice_with_their_numbers(draw, words, every, tmp_path):
    png, svg, numbers = draw(every, tmp_path / "picture")
    assert png.read_bytes().startswith(b"\x89PNG")
    for text in words:
        assert text in svg.read_text(), text
    rows = list(csv.DictReader(numbers.read_text().splitlines()))
    assert {row["network"] for row in rows} <= set(NETWORKS) and len(rows) >= 7


def test_networks_can_be_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", "resnet18", "--input-size", "64", "--output-dir", str(tmp_path)])
    cost_table.main()
    assert "resnet18 by layer" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "layers_resnet18.csv",
        "layers_resnet18.md",
        "stages_resnet18.csv",
        "stages_resnet18.md",
    ]


def test_without_names_come_the_lectures_comparisons(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", "--output-dir", str(tmp_path)])
    monkeypatch.setattr(cost_table, "list_models", lambda: ["alexnet", "vgg16", "googlenet", "resnet18"])
    cost_table.main()
    assert "45 reproduced, 3 erratum" in " ".join(capsys.readouterr().out.split())
    stems = {path.stem for path in tmp_path.iterdir()}
    assert stems == {
        *("layers_alexnet_owt", "layers_vgg16", "stems", "arguments", "totals", "errors", "lecture"),
        *("layers", "years"),
    }
