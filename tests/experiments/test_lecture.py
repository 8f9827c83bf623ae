"""The lecture's numbers: what is reproduced, what is not, and that the computation is not the print."""

import pytest

from experiments import lecture
from experiments.lecture import BY_TRUNCATION, ERRATUM, REPRODUCED, lecture_numbers

ROWS = {row.id: row for row in lecture_numbers()}


def test_all_51_numbers_have_a_computation_and_a_verdict():
    assert len(ROWS) == 51
    assert set(ROWS) == set(lecture.COMPUTATIONS)


def test_three_are_errata_and_all_others_are_reproduced():
    errata = {"stem_flops_googlenet", "ratio_stem_flops", "vgg_stages"}
    truncated = {"ilsvrc_train", "ratio_memory", "resnet_paper_flops"}
    for name, row in ROWS.items():
        expected = ERRATUM if name in errata else BY_TRUNCATION if name in truncated else REPRODUCED
        assert row.verdict == expected, row


# From exact layer arithmetic, independent of this package's counter.
@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("alexnet_memory", 1.8770),
        ("alexnet_params", 61.1008),
        ("alexnet_flops", 0.71677),
        ("vgg_memory", 48.6172),
        ("vgg_params", 137.7675),
        ("vgg_flops", 13.62058),
        ("stem_memory_googlenet", 7.4648),
        ("stem_params_googlenet", 124.416),
        ("stem_flops_googlenet", 477.6755),
        ("stem_memory_vgg", 42.8750),
        ("stem_params_vgg", 1.145408),
        ("stem_flops_vgg", 7485.456),
        ("ratio_memory", 25.58),
        ("ratio_params", 2.262),
        ("ratio_flops", 19.43),
        ("ratio_stem_memory", 5.72),
        ("ratio_stem_params", 8.87),
        ("ratio_stem_flops", 15.67),
        ("resnet18_gflop", 1.81407),
        ("resnet34_gflop", 3.64449),
        ("resnet_halved", 0.535),
    ],
)
def test_computed_numbers_are_exact(name, exact):
    assert float(ROWS[name].computed) == pytest.approx(exact, rel=0.0005)


@pytest.mark.parametrize(
    ("name", "printed", "shown", "why"),
    [
        ("stem_flops_googlenet", "418", "478", "32 filters instead of 64"),
        ("ratio_stem_flops", "17.8", "15.7", "even the printed 7485 and 418 give 17.9"),
        ("vgg_stages", "2-2-2-3-3; 2-2-2-4-4", "2-2-3-3-3; 2-2-4-4-4", "12 and 14 are drawn, 13 and 16 are published"),
    ],
)
def test_errata_come_with_the_right_value_and_the_reason(name, printed, shown, why):
    assert (ROWS[name].value, ROWS[name].shown) == (printed, shown)
    assert why in ROWS[name].why


def test_truncated_numbers_say_that_they_would_round_otherwise():
    assert "rounds to 26" in ROWS["ratio_memory"].why
    assert "3.858 rounds to 3.9" in ROWS["resnet_paper_flops"].why
    assert "rounded it would be 1.3" in ROWS["ilsvrc_train"].why


@pytest.mark.parametrize(
    ("rule", "number", "shown"),
    [
        ("round 1", 2.25, "2.3"),
        ("round 0", 417.5, "418"),
        ("truncate 0", 25.99, "25"),
        ("truncate 1", 3.858, "3.8"),
        ("exact", 4.0, "4"),
        ("at least", 152, "152"),
    ],
)
def test_rules_round_as_on_paper(rule, number, shown):
    assert lecture._digits(number, rule) == shown


def test_the_verdict_follows_from_the_computation(monkeypatch):
    row = lecture._rows()["vgg_flops"]
    assert lecture._compare(row, 13.62).verdict == REPRODUCED
    assert lecture._compare(row, 15.47).verdict == ERRATUM
    assert lecture._compare(lecture._rows()["resnet_depth"], 149).verdict == ERRATUM
