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
