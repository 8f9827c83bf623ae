"""Every number that the lecture prints (K. R. Mopuri, "Evolution of CNN Architectures", IIT Hyderabad 2024), computed.

`history/lecture_numbers.csv` holds what is printed and the convention under which it was computed; here stands the
computation, one entry for every row. The verdict is not written down anywhere: it follows from comparing the two.
"""

import dataclasses
import functools
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from cnn_evolution.analysis import Cost, Layer
from cnn_evolution.analysis.formulas import C, Formula, H, W, stack
from cnn_evolution.files import table_rows
from cnn_evolution.history import chart_entries, human, published_error, winners
from cnn_evolution.models import cost, model_info, receptive_fields

Value = str | float | tuple[float, ...]

REPRODUCED, BY_TRUNCATION, ERRATUM = "reproduced", "reproduced by truncation", "erratum"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LectureNumber:
    """A number that the lecture prints, and what it is.

    Attributes:
      id: A short name.
      printed: As the lecture prints it.
      meaning: What it counts.
      unit: Of `value`, `shown` and `computed`.
      value: The printed number alone.
      rule: How the computed number becomes the printed one: "exact", "at least", "round n" or "truncate n" decimals.
      basis: "counted" from layers, "formula", or "published" where it is a fact and not a computation.
      network: Names in the catalogue that it was counted on.
      convention: What is counted and how.
      why: What one must know: which network it really is, or why it cannot be reproduced.
      computed: The computed number.
      shown: The same after `rule`.
      verdict: "reproduced", "reproduced by truncation" or "erratum".
    """

    id: str
    printed: str
    meaning: str
    unit: str
    value: str
    rule: str
    basis: str
    network: str
    convention: str
    why: str
    computed: str
    shown: str
    verdict: str


@functools.cache
def lecture_numbers() -> tuple[LectureNumber, ...]:
    """All rows, in the order of the lecture."""
    return tuple(_compare(row, COMPUTATIONS[name]()) for name, row in _rows().items())


@functools.cache
def _rows() -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in table_rows("cnn_evolution.history", "lecture_numbers.csv")}


def _compare(row: dict[str, str], computed: Value) -> LectureNumber:
    rule, printed = row["rule"], row["value"]
    if isinstance(computed, str):
        exact = shown = computed
    else:
        numbers = computed if isinstance(computed, tuple) else (computed,)
        rules = rule.split("/") if "/" in rule else [rule] * len(numbers)
        exact = "/".join(f"{number:.10g}" for number in numbers)
        shown = "/".join(_digits(number, rule) for number, rule in zip(numbers, rules, strict=True))
    agrees = float(shown) >= float(printed) if rule == "at least" else shown == printed
    verdict = (BY_TRUNCATION if "truncate" in rule else REPRODUCED) if agrees else ERRATUM
    return LectureNumber(**row, computed=exact, shown=shown, verdict=verdict)


def _digits(number: float, rule: str) -> str:
    """A number with the digits that a rule leaves; halves round up, as on paper."""
    if rule in ("exact", "at least"):
        return f"{number:g}"
    name, digits = rule.split()
    rounding = {"round": ROUND_HALF_UP, "truncate": ROUND_DOWN}[name]
    return str(Decimal(repr(number)).quantize(Decimal(1).scaleb(-int(digits)), rounding))


@functools.cache
def _cost(name: str, input_size: int | None = None) -> Cost:
    return cost(name, input_size)


def _printed(name: str) -> float:
    """Another number as printed: the lecture divides rounded numbers."""
    return float(_rows()[name]["value"])


MIB = 2**20


def _alexnet() -> Cost:
    """The lecture's AlexNet: one tower of torchvision's widths, at the 227 pixels of the paper's figure."""
    return _cost("alexnet_owt", 227)


def _vgg() -> Cost:
    """The lecture's VGG-16: as its figure draws it, with two convolutions in the third stage."""
    return _cost("vgg16_lecture")


def _stem(report: Cost) -> Cost:
    """From 224 x 224 pixels to the first map of 28 x 28."""
    return report.up_to_map_size(28)


def _stem_memory_googlenet() -> float:
    layers = _stem(_cost("googlenet")).of_kind("conv", "max pool")
    return sum(layer.bytes for layer in layers) / MIB


def _ratio(numerator: str, denominator: str) -> Callable[[], float]:
    """The ratio of two printed numbers."""
    return lambda: _printed(numerator) / _printed(denominator)


def _alexnet_layers() -> str:
    report = _cost("alexnet")
    convolutions, connected = len(report.of_kind("conv")), len(report.of_kind("fc"))
    return f"{convolutions + connected} = {convolutions} conv + {connected} fc"


def _alexnet_input() -> float:
    """The catalogue's input size, at which the first map has the 55 x 55 of the paper's figure."""
    size = model_info("alexnet").input_size
    assert _layer("alexnet", "conv1").output[1:3] == (55, 55)
    return size


def _layer(network: str, name: str) -> Layer:
    return next(layer for layer in _cost(network).layers if layer.name == name)


def _window(layer: Layer) -> str:
    assert layer.kernel is not None and layer.stride is not None
    return f"{layer.kernel[0]}x{layer.kernel[1]} s{layer.stride[0]}"


def _vgg_rules() -> str:
    """VGG is a chain, so every layer's input is the output before it."""
    rows = _cost("vgg16").of_kind("conv", "max pool")
    sides = [model_info("vgg16").input_size, *(row.output[1] for row in rows)]
    convolutions, pools = set(), set()
    for row, before, after in zip(rows, sides, sides[1:], strict=False):
        if row.kind == "conv":
            assert row.kernel is not None and row.stride is not None
            padding = (row.stride[0] * (after - 1) + row.kernel[0] - before) // 2
            convolutions.add(f"{_window(row)} p{padding}")
        else:
            pools.add(_window(row))
    channels = dict.fromkeys(str(row.output[-1]) for row in rows)
    return "; ".join((*sorted(convolutions), *sorted(pools), "-".join(channels)))


def _convolutions_in_stages(network: str) -> str:
    """Convolutions between one pool and the next."""
    counts = [0]
    for row in _cost(network).of_kind("conv", "max pool"):
        if row.kind == "conv":
            counts[-1] += 1
        else:
            counts.append(0)
    return "-".join(map(str, counts[:-1]))


def _channels(network: str) -> str:
    return ",".join(str(_layer(network, f"conv{i}").output[-1]) for i in (3, 4, 5))


def _zfnet_fc_in() -> str:
    _, *sides = _layer("zfnet", "pool5").output
    return f"{'*'.join(map(str, sides))}={sides[0] * sides[1] * sides[2]}"


def _zfnet_map1() -> str:
    _, height, width, channels = _layer("zfnet", "pool1").output
    return f"{channels} maps {height}x{width}"


def _on_the_longest_way(report: Cost) -> list[Layer]:
    """Weight layers without projections, which lie beside two or three others."""
    return [layer for layer in report.of_kind("conv", "fc") if "shortcut" not in layer.name]


def _resnet_convs(network: str) -> str:
    stages = [len(_on_the_longest_way(stage)) for stage in _cost(network).stages().values() if stage.macs]
    stem, *blocks, classifier = stages
    return f"{stem} + {'+'.join(map(str, blocks))} + {classifier} = {sum(stages)}"


def _top5(network: str) -> Callable[[], float]:
    def published() -> float:
        error = published_error(network)
        assert error is not None and error.top5_error is not None
        return error.top5_error

    return published


def _gmacs(*networks: str) -> Callable[[], tuple[float, ...]]:
    return lambda: tuple(_cost(network).macs / 1e9 for network in networks)


def _resnet_halved() -> float:
    errors = {winner.year: winner.top5_test_error for winner in winners()}
    return errors[2015] / errors[2014]


def _chart() -> tuple[float, ...]:
    return tuple(entry.top5_test_error for entry in (*chart_entries(), human()))


def _terms(formula: Formula) -> str:
    return f"{formula.memory}, {formula.parameters}, {formula.macs}"


# Facts about ILSVRC 2012 and the published training, which no computation can give.
_FACTS: dict[str, Callable[[], Value]] = {
    "ilsvrc_train": lambda: 1.281167,
    "ilsvrc_per_class": lambda: "732-1300",
    "ilsvrc_val": lambda: 50,
    "ilsvrc_test": lambda: 100,
    "metric": lambda: 5,
    "alexnet_gpu": lambda: "2x GTX 580, 3 GB",
}

COMPUTATIONS: dict[str, Callable[[], Value]] = _FACTS | {
    "ilsvrc_classes": lambda: model_info("alexnet").num_classes,
    "alexnet_layers": _alexnet_layers,
    "alexnet_input": _alexnet_input,
    "alexnet_memory": lambda: _alexnet().activation_bytes / MIB,
    "alexnet_params": lambda: _alexnet().params / 1e6,
    "alexnet_flops": lambda: _alexnet().macs / 1e9,
    "vgg_memory": lambda: _vgg().activation_bytes / MIB,
    "vgg_params": lambda: _vgg().params / 1e6,
    "vgg_flops": lambda: _vgg().macs / 1e9,
    "ratio_memory": _ratio("vgg_memory", "alexnet_memory"),
    "ratio_params": _ratio("vgg_params", "alexnet_params"),
    "ratio_flops": _ratio("vgg_flops", "alexnet_flops"),
    "stem_memory_googlenet": _stem_memory_googlenet,
    "stem_params_googlenet": lambda: _stem(_cost("googlenet")).params / 1e3,
    "stem_flops_googlenet": lambda: _stem(_cost("googlenet")).macs / 1e6,
    "stem_memory_vgg": lambda: _stem(_vgg()).activation_bytes / MIB,
    "stem_params_vgg": lambda: _stem(_vgg()).params / 1e6,
    "stem_flops_vgg": lambda: _stem(_vgg()).macs / 1e6,
    "ratio_stem_memory": _ratio("stem_memory_vgg", "stem_memory_googlenet"),
    "ratio_stem_params": lambda: 1e3 * _printed("stem_params_vgg") / _printed("stem_params_googlenet"),
    "ratio_stem_flops": lambda: _stem(_vgg()).macs / _stem(_cost("googlenet")).macs,
    "conv5x5_params": lambda: str(stack(5, 1).parameters),
    "conv5x5_flops": lambda: str(stack(5, 1).macs),
    "conv3x3x2_params": lambda: str(stack(3, 2).parameters),
    "conv3x3x2_flops": lambda: str(stack(3, 2).macs),
    "stage_case1": lambda: _terms(stack(3, 1, C, 2 * H, 2 * W)),
    "stage_case2": lambda: _terms(stack(3, 1, 2 * C, H, W)),
    "vgg_rules": _vgg_rules,
    "vgg_stages": lambda: f"{_convolutions_in_stages('vgg16')}; {_convolutions_in_stages('vgg19')}",
    "zfnet_conv1": lambda: f"{_window(_layer('alexnet', 'conv1'))} -> {_window(_layer('zfnet', 'conv1'))}",
    "zfnet_conv345": lambda: f"{_channels('alexnet')} -> {_channels('zfnet_b')}",
    "zfnet_fc_in": _zfnet_fc_in,
    "zfnet_map1": _zfnet_map1,
    "resnet_depth": lambda: len(_on_the_longest_way(_cost("resnet152"))),
    "resnet_halved": _resnet_halved,
    "resnet_stem": lambda: receptive_fields("resnet18")["stem"].stride[0],
    "resnet18_convs": lambda: _resnet_convs("resnet18"),
    "resnet34_convs": lambda: _resnet_convs("resnet34"),
    "resnet18_top5": _top5("resnet18"),
    "resnet34_top5": _top5("resnet34"),
    "vgg_top5": _top5("vgg16"),
    "resnet18_gflop": _gmacs("resnet18"),
    "resnet34_gflop": _gmacs("resnet34_option_a"),
    "resnet_paper_flops": _gmacs(
        "resnet18_option_a", "resnet34_option_a", "resnet50_v1", "resnet101_v1", "resnet152_v1"
    ),
    "chart": _chart,
}
"""How every row of the table is computed."""
