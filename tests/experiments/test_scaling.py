"""The page about clusters: against its documentation, and against sums by hand."""

import dataclasses
import json
from pathlib import Path

import pytest

from cnn_evolution.analysis.scaling import facts
from experiments.contenders import Case
from experiments.gpu_check.report import Report
from experiments.gpu_check.speed import Speed, _row
from experiments.scaling import NETWORKS, Arguments, page, read_speed
from experiments.scaling_costs import checkpoint_bytes_per_second, images_per_core_second
from experiments.scaling_tables import Costs, checkpoints, gradients, paying, reading, template
from tests.tiers import exhaustive

PAGE = Path(__file__).parents[2] / "docs/scaling.md"
ROUND = Costs({"resnet50": 1000.0}, input_rate=100.0, checkpoint_rate=1e6, machine="none")


@exhaustive
def test_the_page_in_the_documentation_is_what_the_command_prints():
    assert PAGE.read_text() == page(Arguments().costs(), NETWORKS)


def test_every_line_of_one_network_is_in_the_documentation():
    """Less than the test above, and cheaper."""
    documented = set(PAGE.read_text().splitlines())
    assert [line for line in page(Arguments().costs(), ["resnet50"]).splitlines() if line not in documented] == []


def test_input_by_hand():
    (row,) = reading(ROUND, ["resnet50"]).rows
    assert row["images/s a host"] == "8,000"
    assert row["GB/s a host"] == "0.924"  # 8,000 images of 115,440 bytes
    assert row["GB/s, 64 hosts"] == "59.1"
    assert row["cores a host"] == "80" and row["112 cores feed"] == "100%"


def test_gradients_by_hand():
    (row,) = gradients(["resnet50"]).rows
    assert row["parameters"] == 25_557_032 and row["MB of gradients"] == "102"
    assert row["MB sent, 8"] == "179"  # 7/4 of 102.2
    assert row["ms, 8"] == "0.398"  # 178.9 MB at 450 GB/s
    assert row["ms, 64, 50 Gb/s"] == "29"  # and 7/4 of 102.2 MB at 6.25 GB/s


def test_efficiency_by_hand():
    (row,) = paying(ROUND, ["resnet50"]).rows
    # 16 images take 16 ms, summing gradients 0.4 ms inside hosts and 32.2 between, of which 10.7 ms can be hidden.
    assert row["512, 50 Gb/s"] == "33% / 42%"
    assert row["pays to: 3.2 Tb/s, 8,192"] == 512  # 16 images each


def test_checkpoints_by_hand():
    (row,) = checkpoints(ROUND, ["resnet50"]).rows
    statistics = 2 * 26_560  # a mean and a variance a channel
    assert row["bytes"] == 4 * (2 * 25_557_032 + statistics + 4)  # and four counters of steps
    assert row["s to write"] == "205"
    assert row["s an epoch, 8"] == "160" and row["s an epoch, 512"] == "2.5"


def test_what_is_not_measured_is_no_faster_than_macs_and_activations_allow():
    assert ROUND.rate("vgg16") == pytest.approx(1000 * 4_089_184_256 / 15_470_264_320)
    measured = dataclasses.replace(ROUND, images_per_second={"resnet50": 1000.0, "vgg16": 7.0})
    assert measured.rate("vgg16") == 7
    assert ROUND.rate("mobilenet_v2") < 1000 * 4_089_184_256 / 300_774_272  # its activations are large


@pytest.fixture
def report(tmp_path):
    """Writes what `experiments.gpu_check` would, of one network."""

    def write(case, kind="NVIDIA H200"):
        row = _row(case, Speed((0.5, 0.25, 0.5), 1.0), {}, kind)
        Report("speed", [row], {}).write(tmp_path / "speed.json", {"kind": kind})
        return tmp_path / "speed.json"

    return write


WHOLE = Case("resnet50", 224, 256, 1.0, "bfloat16")


def test_a_report_of_the_check_gives_the_speed(report):
    assert read_speed(report(WHOLE)) == {"resnet50": 512}


@pytest.mark.parametrize(
    ("case", "kind", "message"),
    [
        (WHOLE, "NVIDIA A100", "is of NVIDIA A100; expected an NVIDIA H200"),
        (dataclasses.replace(WHOLE, width=0.5), "NVIDIA H200", "narrow networks or small images: resnet50"),
        (dataclasses.replace(WHOLE, input_size=64), "NVIDIA H200", "narrow networks or small images: resnet50"),
        (dataclasses.replace(WHOLE, model="vgg16"), "NVIDIA H200", "lacks resnet50, .*it has vgg16"),
    ],
)
def test_another_report_is_refused(report, case, kind, message):
    with pytest.raises(ValueError, match=message):
        read_speed(report(case, kind))


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"rows": [{}]}), json.dumps({"rows": []})])
def test_what_is_no_report_is_refused(tmp_path, content):
    (tmp_path / "speed.json").write_text(content)
    with pytest.raises(ValueError, match=r"speed.json is no report of experiments.gpu_check"):
        read_speed(tmp_path / "speed.json")


@pytest.mark.parametrize("name", ["input_rate", "checkpoint_rate"])
def test_a_rate_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        Arguments(**{name: 0}).costs()


@exhaustive
def test_reading_and_saving_are_measured_here():
    assert 1 < images_per_core_second(facts()["archive_bytes"].value / facts()["images"].value, seconds=0.1) < 1e5
    assert 1e4 < checkpoint_bytes_per_second(template("shufflenet_v2_x0_5"), saves=1) < 1e11
