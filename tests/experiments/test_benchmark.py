import json
import platform
import subprocess
import sys

import pytest

import cnn_evolution as ce
from experiments import contenders
from experiments.benchmark import Result, cells, speed_of_ours
from experiments.contenders import Case, parse


def run(*arguments, code=0):
    """What a comparison prints that ends with `code`."""
    command = [sys.executable, "-m", "experiments.benchmark", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_contenders_are_compared_in_inference_and_training(tmp_path):
    output = tmp_path / "benchmark.json"
    options = ["--width", 0.125, "--convolution", "ours", "lax", "--rounds", 2, "--seconds", 0.01, "--output", output]
    printed = run("vgg11@32x2", *options, "--operations")
    report = json.loads(output.read_text())
    assert "glibc" in report["allocator"] or platform.libc_ver()[0] != "glibc"
    results = report["results"]
    assert [(one["mode"], one["contender"]) for one in results] == [
        ("inference", "ours"),
        ("inference", "lax"),
        ("training", "ours"),
        ("training", "lax"),
    ]
    for ours, lax in (results[:2], results[2:]):
        assert len(ours["seconds"]) == len(lax["seconds"]) == 2
        assert ours["compile_seconds"] > 0 and lax["compile_seconds"] > 0
        assert lax["speed_of_ours"] == ours["images_per_second"] / lax["images_per_second"]
        assert f"{lax['speed_of_ours']:.2f} times as fast" in printed
        assert f"{ours['images_per_second']:.4g}" in printed
        for one in (ours, lax):
            assert f"{1000 * one['operations']['products of matrices']:.3g}" in printed


def test_errors_of_a_contender_are_shown():
    assert "needs at least" in run("alexnet@8", "--no-torch", code=2)


def test_unknown_networks_are_named():
    assert "did you mean resnet50" in run("resnet5", code=2)


@pytest.mark.parametrize(
    "network, expected",
    [("resnet50", (224, 16)), ("resnet50@64", (64, 16)), ("alexnet@x8", (227, 8)), ("vgg16@32x4", (32, 4))],
)
def test_sizes_can_be_stated_with_the_name(network, expected):
    case = parse(network, None, 16, 1.0, "float32")
    assert (case.input_size, case.batch_size) == expected


def test_sizes_must_be_numbers():
    with pytest.raises(ValueError, match="'resnet50@big' is not NAME, NAME@PIXELS or NAME@PIXELSxIMAGES"):
        parse("resnet50@big", None, 16, 1.0, "float32")


def result(contender, seconds, **changes):
    case = Case("resnet50", **{"input_size": 224, "batch_size": 16, "width": 1.0, "dtype": "bfloat16"} | changes)
    return Result(
        case=case,
        mode="training",
        contender=contender,
        setting="",
        device="NVIDIA H100 80GB HBM3",
        compile_seconds=None,
        seconds=seconds,
    )


def test_the_median_counts():
    ours, torch = result("ours", [0.1, 0.2, 9.0]), result("torch", [0.4, 0.1, 0.5])
    assert ours.images_per_second == 16 / 0.2
    assert speed_of_ours(torch, [ours, torch]) == 2.0
    assert speed_of_ours(ours, [ours, torch]) is None


def test_a_training_step_counts_three_times_the_multiply_accumulates_of_the_catalogue():
    one = result("ours", [0.1])
    assert one.flops == pytest.approx(160 * 6 * ce.model_info("resnet50").macs)
    assert cells(one, [one])[-1] == f"{one.flops / 1e12:.3g} ({one.flops / 989e12:.0%})"
    assert result("ours", [0.1], input_size=64).flops is None


def test_it_reads_no_data_sets():
    code = "import sys, experiments.benchmark; print({'grain', 'tensorflow_datasets', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("name", ["resnet50", "googlenet_bn", "zfnet", "se_resnet50"])
def test_networks_for_pytorch_are_the_catalogues(name):
    pytest.importorskip("torch")
    pytest.importorskip("torchvision")
    pytest.importorskip("pytorchcv")
    assert contenders.torch_network(name) is not None


def test_other_networks_of_the_same_name_are_left_out():
    assert contenders.torch_source("alexnet") is None
    assert contenders.torch_source("googlenet") is None
