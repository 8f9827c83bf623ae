import os

import pytest

from cnn_evolution.jsonl import append_line, read_lines


def test_lines_are_appended_and_read_back(tmp_path):
    path = tmp_path / "runs" / "lines.jsonl"
    assert read_lines(path) == []
    append_line(path, {"a": 1})
    append_line(path, {"b": [2.5, "x"]})
    assert read_lines(path) == [{"a": 1}, {"b": [2.5, "x"]}]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "lines.jsonl"
    append_line(path, {"a": 1})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        append_line(path, {"b": 2})
    assert read_lines(path) == [{"a": 1}]


def test_a_line_that_was_cut_is_passed_over_and_removed_by_the_next(tmp_path, caplog):
    path = tmp_path / "lines.jsonl"
    append_line(path, {"a": 1})
    with path.open("a") as file:
        file.write('{"b": 2, "c')
    assert read_lines(path) == [{"a": 1}]
    append_line(path, {"d": 3})
    assert read_lines(path) == [{"a": 1}, {"d": 3}]
    assert "ends in half a line" in caplog.text


def test_another_damaged_line_is_named(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_text('{"a": 1}\n{"b": \n{"c": 3}\n')
    with pytest.raises(ValueError, match=r"line 2 of .*lines\.jsonl is no JSON object"):
        read_lines(path)


def test_what_json_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        append_line(tmp_path / "lines.jsonl", {"a": float("nan")})
    assert read_lines(tmp_path / "lines.jsonl") == []
