"""Downloads from a server that cuts, stalls, corrupts and refuses."""

import functools
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from http import HTTPStatus

import numpy as np
import pytest

from cnn_evolution.pretrained.download import default_weights_dir, download

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2
# Pauses and timeouts as short as a server on this machine allows.
fetch = functools.partial(download, kind="sha256", digits=SHA256, pause=0.001, timeout=0.3)


@pytest.fixture(autouse=True)
def content(server):
    server.content = CONTENT


def test_a_download_is_the_file_and_nothing_else(server, tmp_path):
    path = fetch(f"{server.url}/some/resnet-1.pth?x=1", directory=tmp_path)
    assert path == tmp_path / "resnet-1.pth" and path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_there_is_not_downloaded_again(server, tmp_path):
    for _ in range(2):
        fetch(f"{server.url}/a.pth", directory=tmp_path)
    assert len(server.requests) == 1


def test_the_first_digits_of_a_hash_are_enough_and_sha1_is_known(server, tmp_path):
    fetch(f"{server.url}/a.pth", directory=tmp_path, digits=SHA256[:8])
    sha1 = hashlib.sha1(CONTENT).hexdigest()
    assert fetch(f"{server.url}/b.pth", directory=tmp_path, kind="sha1", digits=sha1).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "fault", [HALF, "stall", HTTPStatus.SERVICE_UNAVAILABLE, 0], ids=["cut", "stall", "overload", "cut at once"]
)
def test_after_a_fault_it_goes_on_where_it_was(server, tmp_path, fault):
    server.faults = [fault]
    assert fetch(f"{server.url}/a.pth", directory=tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={HALF}-" if fault in (HALF, "stall") else None]


def test_many_cuts_are_survived_as_long_as_each_attempt_gets_further(server, tmp_path):
    server.faults = [20_000] * 14
    assert fetch(f"{server.url}/a.pth", directory=tmp_path, attempts=2).read_bytes() == CONTENT
    assert len(server.requests) == 15


def test_a_server_without_ranges_is_asked_for_everything_again(server, tmp_path):
    server.faults, server.ranges = [HALF], False
    assert fetch(f"{server.url}/a.pth", directory=tmp_path).read_bytes() == CONTENT


def test_a_server_without_ranges_that_always_cuts_is_given_up(server, tmp_path):
    server.faults, server.ranges = [HALF] * 100, False
    with pytest.raises(OSError, match=r"cut after 150,000 of 300,000 bytes \(3 attempts\)"):
        fetch(f"{server.url}/a.pth", directory=tmp_path, attempts=3)
    assert len(server.requests) == 3


def test_a_file_that_changes_between_two_attempts_is_not_mixed(server, tmp_path):
    server.content, server.etag, server.faults, server.later = CONTENT[::-1], '"old"', [HALF], (CONTENT, '"new"')
    assert fetch(f"{server.url}/a.pth", directory=tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={HALF}-"]


def test_the_rest_of_an_earlier_call_is_completed(server, tmp_path):
    (tmp_path / "a.pth.part").write_bytes(CONTENT[:1000])
    assert fetch(f"{server.url}/a.pth", directory=tmp_path).read_bytes() == CONTENT
    assert server.requests == ["bytes=1000-"]


def test_the_whole_of_an_earlier_call_needs_no_byte(server, tmp_path):
    (tmp_path / "a.pth.part").write_bytes(CONTENT)
    assert fetch(f"{server.url}/a.pth", directory=tmp_path).read_bytes() == CONTENT
    assert server.requests == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("size", [1000, len(CONTENT), len(CONTENT) + 10], ids=["shorter", "as long", "longer"])
def test_what_an_earlier_call_left_of_another_file_is_thrown_away(server, tmp_path, size):
    (tmp_path / "a.pth.part").write_bytes(b"x" * size)
    path = fetch(f"{server.url}/a.pth", directory=tmp_path)
    assert path.read_bytes() == CONTENT and list(tmp_path.iterdir()) == [path]


def test_a_corrupt_download_is_removed_and_reported_with_both_hashes(server, tmp_path):
    server.content = CONTENT[:-1] + b"?"
    wrong = hashlib.sha256(server.content).hexdigest()
    with pytest.raises(OSError, match=rf"came with the sha256 {wrong}, but {SHA256} is published: it was removed"):
        fetch(f"{server.url}/a.pth", directory=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_in_the_cache_is_downloaded_again(server, tmp_path, caplog):
    (tmp_path / "a.pth").write_bytes(CONTENT[:-1])
    assert fetch(f"{server.url}/a.pth", directory=tmp_path).read_bytes() == CONTENT
    assert "is damaged" in caplog.text


def test_a_missing_file_is_said_at_once(server, tmp_path):
    server.faults = [HTTPStatus.NOT_FOUND]
    with pytest.raises(OSError, match=r"/a\.pth: HTTP error 404 Not Found.*give the file as path"):
        fetch(f"{server.url}/a.pth", directory=tmp_path)
    assert len(server.requests) == 1 and not list(tmp_path.iterdir())


def test_no_server_is_an_error_that_names_the_address(tmp_path):
    with pytest.raises(OSError, match=r"cannot download http://127\.0\.0\.1:9/a\.pth.*refused.*2 attempts"):
        fetch("http://127.0.0.1:9/a.pth", directory=tmp_path, attempts=2)
    assert not list(tmp_path.iterdir())


def test_a_stalled_server_is_given_up_and_what_came_is_kept(server, tmp_path):
    server.faults = ["stall", "stall", "stall"]
    with pytest.raises(OSError, match="no answer in time"):
        fetch(f"{server.url}/a.pth", directory=tmp_path, attempts=1, timeout=0.1)
    assert (tmp_path / "a.pth.part").read_bytes() == CONTENT[:HALF]


def zipped(names=("a.pth",), content=CONTENT):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


def test_of_an_archive_the_file_inside_is_hashed_and_kept(server, tmp_path):
    server.content, server.faults = zipped(), [HALF]
    path = fetch(f"{server.url}/a.pth.zip", directory=tmp_path)
    assert path == tmp_path / "a.pth" and path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "archive",
    [b"no archive", zipped()[:-30], zipped(("a.pth", "b.pth")), zipped(("a.txt",)), zipped(content=CONTENT[1:])],
    ids=["no archive", "truncated", "two files", "another kind of file", "other content"],
)
def test_of_a_wrong_archive_nothing_is_kept(server, tmp_path, archive):
    server.content = archive
    with pytest.raises(OSError, match=f"but {SHA256} is published"):
        fetch(f"{server.url}/a.pth.zip", directory=tmp_path)
    assert not list(tmp_path.iterdir())


def start_and_wait_for_half(server, directory):
    """Another process that downloads, at the moment when the server stalls."""
    server.faults = ["stall"]
    arguments = f"{f'{server.url}/a.pth'!r}, kind='sha256', digits={SHA256!r}, directory={str(directory)!r}, timeout=1"
    code = f"from cnn_evolution.pretrained.download import download; download({arguments})"
    process = subprocess.Popen([sys.executable, "-c", code])
    part = directory / "a.pth.part"
    deadline = time.monotonic() + 60
    while not part.exists() or part.stat().st_size < HALF:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    return process


def test_of_two_processes_one_downloads_and_the_other_waits(server, tmp_path):
    process = start_and_wait_for_half(server, tmp_path)
    assert fetch(f"{server.url}/a.pth", directory=tmp_path).read_bytes() == CONTENT
    assert process.wait(30) == 0
    assert server.requests == [None, f"bytes={HALF}-"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


def test_a_killed_download_leaves_nothing_under_the_final_name_and_is_completed(server, tmp_path):
    process = start_and_wait_for_half(server, tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth.part"]
    assert fetch(f"{server.url}/a.pth", directory=tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={HALF}-"]


def test_progress_is_said_in_plain_lines_away_from_a_terminal(server, tmp_path, capsys):
    fetch(f"{server.url}/a.pth", directory=tmp_path)
    assert capsys.readouterr().err == "downloading a.pth (300,000 bytes)\ndownloaded a.pth (300,000 bytes)\n"


def test_progress_is_a_bar_on_a_terminal(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    fetch(f"{server.url}/a.pth", directory=tmp_path)
    assert re.search(r"a\.pth.*300\.0/300\.0.*kB", capsys.readouterr().err)


def test_what_is_there_is_found_in_a_directory_that_cannot_be_written(server, tmp_path, monkeypatch):
    path = fetch(f"{server.url}/a.pth", directory=tmp_path)
    usual = type(path).open
    monkeypatch.setattr(type(path), "open", lambda self, mode: usual(self, mode) if mode == "rb" else pytest.fail(mode))
    assert fetch(f"{server.url}/a.pth", directory=tmp_path) == path


def test_downloads_lie_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("CNN_EVOLUTION_WEIGHTS", str(tmp_path))
    assert default_weights_dir() == tmp_path
    monkeypatch.delenv("CNN_EVOLUTION_WEIGHTS")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_weights_dir() == tmp_path / ".cache" / "cnn_evolution" / "weights"


def test_a_directory_that_cannot_be_written_is_an_error(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        fetch(f"{server.url}/a.pth", directory=tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]


def test_a_system_without_unixs_locks_is_told_to_give_a_file(server, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(ModuleNotFoundError, match=r"w\.pth needs Unix's file locks .* give its path"):
        download(f"{server.url}/w.pth", kind="sha256", digits="00000000", directory=tmp_path)
    assert not server.requests
