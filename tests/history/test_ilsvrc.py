"""The published ILSVRC results: exact values, complete years, a source for every value."""

import csv
import importlib.resources

import pytest

from cnn_evolution.history import chart_entries, human, ilsvrc_results, winners


def one(**fields):
    found = [r for r in ilsvrc_results() if all(getattr(r, name) == value for name, value in fields.items())]
    assert len(found) == 1, f"{len(found)} results with {fields}"
    return found[0]


def test_winners_are_the_usual_bar_chart():
    bars = {r.year: f"{r.top5_test_error:.1f}" for r in winners()}
    assert bars == {
        2010: "28.2",
        2011: "25.8",
        2012: "16.4",
        2013: "11.7",
        2014: "6.7",
        2015: "3.6",
        2016: "3.0",
        2017: "2.3",
    }


def test_winners_are_one_per_year_in_order():
    assert [r.year for r in winners()] == list(range(2010, 2018))


def test_winners_keep_the_digits_of_their_source():
    assert [r.top5_test_error for r in winners()] == [28.191, 25.77, 16.422, 11.743, 6.67, 3.567, 2.991, 2.251]


def test_winners_used_only_the_challenge_data_and_are_verified():
    assert all(not r.external_data and r.verified for r in winners())


def test_only_2010_and_2011_were_won_by_shallow_methods():
    assert [r.year for r in winners() if r.kind == "shallow"] == [2010, 2011]


def test_chart_adds_vgg_before_googlenet():
    in_2014 = [(r.entry, r.top5_test_error) for r in chart_entries() if r.year == 2014]
    assert in_2014 == [("VGG", 7.32), ("GoogLeNet", 6.67)]
    assert len(chart_entries()) == len(winners()) + 1
    assert [r.year for r in chart_entries()] == sorted(r.year for r in chart_entries())


def test_human_reference():
    assert human().top5_test_error == 5.1
    assert human().arxiv == "1409.0575"


def test_entries_with_external_data_are_told_apart():
    assert one(year=2012, place=1, external_data=True).top5_test_error == 15.315
    assert one(year=2013, place=1, external_data=True).top5_test_error == 11.2


def test_2013_is_clarifai_and_zfnet_has_its_own_values():
    assert one(year=2013, place=1, external_data=False).team == "Clarifai"
    paper, entry = one(entry="ZFNet (paper)"), one(entry="ZFNet (entry)")
    assert (paper.top5_test_error, paper.verified) == (14.8, True)
    assert (entry.top5_test_error, entry.verified) == (13.5, False)


def test_contradicting_sources_are_noted():
    assert "6.66" in one(entry="GoogLeNet").note
    assert "7.35" in one(entry="SPP-net").note
    assert not one(entry="SPP-net").verified


@pytest.mark.parametrize("result", ilsvrc_results(), ids=lambda r: f"{r.year} {r.entry}")
def test_every_result_is_complete(result):
    assert 2010 <= result.year <= 2017
    assert 0 < result.top5_test_error < 100
    assert result.team and result.entry and result.method
    assert result.source
    assert result.models in {"ensemble", "single", ""}
    assert result.depth is None or result.kind == "cnn"
    assert result.place is None or result.place >= 1
    if result.paper:
        assert result.venue


def test_no_two_results_are_the_same():
    keys = [(r.year, r.team, r.entry) for r in ilsvrc_results()]
    assert len(set(keys)) == len(keys)


def test_file_has_a_cell_for_every_column_and_only_yes_and_no():
    text = importlib.resources.files("cnn_evolution.history").joinpath("ilsvrc.csv").read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    assert all(len(row) == len(header) for row in rows)
    assert {row[header.index("verified")] for row in rows} == {"yes", "no"}
    assert {row[header.index("external_data")] for row in rows} == {"yes", "no", ""}


def test_results_cannot_be_changed():
    with pytest.raises(AttributeError):
        winners()[0].year = 2011
