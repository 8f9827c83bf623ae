import dataclasses

import numpy as np
import pytest

from cnn_evolution.evaluation.errors import ErrorCounts, evaluate_errors
from cnn_evolution.evaluation.predictions import Predictions, collecting, read_predictions, write_predictions
from cnn_evolution.evaluation.results import make_result
from tests.evaluation.test_errors import member, source

__all__ = ["source"]


def predictions(source, batch_size=64, seeds=(0, 1), **options):
    members, answers = [member(seed, 40 - 8 * seed) for seed in seeds], {}
    errors = evaluate_errors(members, source, batch_size=batch_size, answered=collecting(answers), **options)
    return Predictions(make_result(members, source, errors, {}), answers)


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_every_image_has_one_answer_and_the_errors_follow_from_them(source, batch_size):
    found = predictions(source, batch_size)
    assert list(found.answers) == [f"validation/{index}" for index in range(200)]
    assert [answer.label for answer in found.answers.values()] == [source.records[index][1] for index in range(200)]
    wrong = [sum(answer.is_wrong(k) for answer in found.answers.values()) for k in (1, 5)]
    assert [wrong[0] / 2, wrong[1] / 2] == [found.result.top1_error, found.result.top5_error]


def test_probabilities_of_an_ensemble_are_the_mean_of_its_members(source):
    both, *alone = (predictions(source, seeds=seeds) for seeds in ((0, 1), (0,), (1,)))
    for image, answer in both.answers.items():
        assert list(answer.probabilities) == sorted(answer.probabilities, reverse=True)
        for label, probability in zip(answer.top5, answer.probabilities, strict=True):
            theirs = [dict(zip(*one.answers[image][1:], strict=True)).get(label) for one in alone]
            if None not in theirs:
                np.testing.assert_allclose(probability, np.mean(theirs), rtol=1e-5)


def test_an_image_that_cannot_be_read_has_no_answer_and_does_not_shift_the_others(source):
    class Damaged:
        identity = None

        def __len__(self):
            return len(source)

        def __getitem__(self, index):
            data, label = source.records[index]
            return (data[:200] if index == 7 else data), label

    whole = predictions(source).answers
    damaged = predictions(dataclasses.replace(source, records=Damaged()), max_corrupt=1, batch_size=30).answers
    assert whole.keys() - damaged.keys() == {"validation/7"}
    assert all(whole[image][:2] == answer[:2] for image, answer in damaged.items())


def test_scores_that_are_no_numbers_are_no_answer():
    answers = {}
    collecting(answers)(["a", "b"], np.array([1, 0]), np.array([[0.1, np.nan, 0.2], [0.5, 0.2, 0.5]], np.float32))
    assert answers["a"] == (1, (), ()) and answers["a"].is_wrong(5)
    assert answers["b"].top5 == (0, 2, 1) and not answers["b"].is_wrong(1)


def test_a_file_holds_them_all(source, tmp_path):
    found = predictions(source)
    write_predictions(tmp_path / "p.jsonl", found)
    assert read_predictions(tmp_path / "p.jsonl") == found


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda lines: lines[:50], "answers to 49 images, of 200"),
        (lambda lines: lines[1:], "is no file of predictions"),
        (lambda lines: [], "is no file of predictions"),
        (lambda lines: [*lines[:3], b"{", *lines[4:]], r"line 4 of .* is no JSON"),
    ],
    ids=["part", "no result", "empty", "no JSON"],
)
def test_another_file_is_refused(source, tmp_path, spoil, message):
    write_predictions(tmp_path / "p.jsonl", predictions(source))
    lines = (tmp_path / "p.jsonl").read_bytes().splitlines()
    (tmp_path / "p.jsonl").write_bytes(b"".join(line + b"\n" for line in spoil(lines)))
    with pytest.raises(ValueError, match=message):
        read_predictions(tmp_path / "p.jsonl")


def test_errors_alone_make_a_result_too(source):
    assert make_result([member(0)], source, ErrorCounts(200, 50, 3), {}).classes == list(source.class_names)
