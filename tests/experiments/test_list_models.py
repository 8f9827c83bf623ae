"""The catalogue on the command line."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from cnn_evolution import list_models, model_info
from cnn_evolution.models import registry
from experiments import list_models as command
from experiments.tables import print_table


def lines(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["list_models", *arguments])
    command.main()
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_lists_everything_in_order_of_history(monkeypatch, capsys):
    header, *rows = lines(monkeypatch, capsys)
    assert header == ["year", "family", "name", "parameters", "MACs", "input", "top-5 error", "paper"]
    assert [row[2] for row in rows] == list_models()
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


def test_a_line_states_exact_numbers(monkeypatch, capsys):
    _, row = lines(monkeypatch, capsys, "alexnet")
    spec = model_info("alexnet")
    assert row == ["2012", "AlexNet", "alexnet", "60965224", str(spec.macs), "227", "19.8", spec.paper]


def test_pattern_family_and_year_select(monkeypatch, capsys):
    _, *rows = lines(monkeypatch, capsys, "*19*", "--family", "vgg", "--year", "2014")
    assert [row[2] for row in rows] == ["vgg19", "vgg19_lecture"]


def test_a_budget_selects(monkeypatch, capsys):
    _, *rows = lines(monkeypatch, capsys, "vgg*", "--max-params", "133", "--max-macs", "8000")
    assert [row[2] for row in rows] == ["vgg11", "vgg11_bn"]


@pytest.mark.parametrize("arguments", [("resnt*",), ("--year", "1998"), ("--max-macs", "0.5")])
def test_no_such_architecture_is_an_error_that_names_what_was_asked(monkeypatch, capsys, arguments):
    with pytest.raises(ValueError, match=f"{arguments[-1].replace('*', '.')}.*from alexnet to"):
        lines(monkeypatch, capsys, *arguments)


def test_what_an_imported_module_registers_is_listed(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(registry, "_SPECS", dict(registry._SPECS))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "listed_networks.py").write_text(
        "import cnn_evolution as ce\n"
        "build = ce.model_info('cifar_resnet20').build\n"
        "ce.register(ce.ModelSpec(name='own', build=build, family='Own', year=2026, input_size=32))\n"
    )
    _, row = lines(monkeypatch, capsys, "--import", "listed_networks", "own")
    spec = model_info("cifar_resnet20")
    assert row == ["2026", "Own", "own", str(spec.params), str(spec.macs), "32", "", ""]


def test_unknown_family_is_an_error_that_names_the_families(monkeypatch, capsys):
    with pytest.raises(ValueError, match=r"ResNot.*AlexNet"):
        lines(monkeypatch, capsys, "--family", "ResNot")


def test_a_terminal_gets_millions():
    text = io.StringIO()
    print_table(Console(width=120, file=text), command.table([model_info("alexnet"), model_info("vgg16")]))
    for words in ("2012", "AlexNet", "60.97", "724", "138.36", "15,470"):
        assert words in text.getvalue()


def test_the_page_in_the_documentation_is_what_the_command_prints(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["list_models", "--markdown"])
    command.main()
    assert (Path(__file__).parents[2] / "docs/architectures.md").read_text() == capsys.readouterr().out
