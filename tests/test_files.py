import pytest

from cnn_evolution.files import cache_dir, replacing, table_rows, write_whole


def test_a_file_is_replaced_and_nothing_else_stays(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    write_whole(path, b"new")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_an_error_on_the_way_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_directory_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "a.txt", b"new")


def test_rows_of_a_table_go_by_its_heads():
    rows = table_rows("cnn_evolution.models", "catalogue.csv")
    assert rows[0]["name"] == "alexnet" and int(rows[0]["params"]) == 60_965_224


def test_a_variable_names_the_directory_or_else_it_lies_in_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HERE", "~/there")
    assert cache_dir("HERE", "weights") == tmp_path / "there"
    monkeypatch.setenv("HERE", "")
    assert cache_dir("HERE", "weights") == tmp_path / ".cache" / "cnn_evolution" / "weights"
