"""The catalogue on the command line."""

import io
import sys

import pytest
from rich.console import Console

from cnn_evolution import list_models, model_info
from experiments import list_models as command


def lines(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["list_models", *arguments])
    command.main()
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_lists_everything_in_order_of_history(monkeypatch, capsys):
    header, *rows = lines(monkeypatch, capsys)
    assert tuple(header) == command.COLUMNS
    assert [row[2] for row in rows] == list_models()
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


def test_a_line_states_exact_numbers(monkeypatch, capsys):
    _, row = lines(monkeypatch, capsys, "alexnet")
    spec = model_info("alexnet")
    assert row == ["2012", "AlexNet", "alexnet", "60965224", str(spec.macs), "227", spec.paper]


def test_pattern_family_and_year_select(monkeypatch, capsys):
    _, *rows = lines(monkeypatch, capsys, "*19*", "--family", "vgg", "--year", "2014")
    assert [row[2] for row in rows] == ["vgg19"]


@pytest.mark.parametrize("arguments", [("resnt*",), ("--year", "1998")])
def test_no_such_architecture_is_an_error_that_names_what_was_asked(monkeypatch, capsys, arguments):
    with pytest.raises(ValueError, match=f"{arguments[-1].replace('*', '.')}.*from alexnet to"):
        lines(monkeypatch, capsys, *arguments)


def test_unknown_family_is_an_error_that_names_the_families(monkeypatch, capsys):
    with pytest.raises(ValueError, match=r"ResNot.*AlexNet"):
        lines(monkeypatch, capsys, "--family", "ResNot")


def test_table_gives_millions_and_fits_a_narrow_terminal():
    text = io.StringIO()
    Console(width=80, file=text).print(command.table([model_info("alexnet"), model_info("vgg16")]))
    for words in ("2012", "AlexNet", "60.97 M", "724 M", "138.36 M", "15,470 M"):
        assert words in text.getvalue()
