"""Linear classifiers on features: both fits reach the optimum that they state."""

import functools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_evolution.data import ArraySource, CenterCrop
from cnn_evolution.evaluation.classifier import Classifier
from cnn_evolution.evaluation.errors import ErrorCounts, evaluate_errors
from cnn_evolution.pixels import NORMALISATIONS
from cnn_evolution.pretrained import Pretrained
from cnn_evolution.training.features import compute_features, headless
from cnn_evolution.training.probe import GRID, feature_errors, fit_logistic, fit_probe, fit_ridge, probed
from tests.networks import Own

CLASSES = 4
TOLERANCE = 1e-7  # of a gradient, where the loss of about 1 is known to 1e-16
logistic = functools.partial(fit_logistic, tolerance=TOLERANCE)
both = pytest.mark.parametrize("fit", [logistic, fit_ridge], ids=["logistic", "ridge"])


def drawn(seed=0, images=60, width=7):
    """Features of which some say something about the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, images)
    features = rng.standard_normal((images, width)) + 0.7 * np.eye(CLASSES, width)[labels]
    return features.astype(np.float32), labels


def one(fit, features, labels, l2=0.01, **options):
    (classifier,) = fit(features, labels, CLASSES, [l2], **options)
    return classifier


def standardised(features):
    features = np.asarray(features, np.float64)
    return (features - features.mean(0)) / features.std(0)


def assert_equal_scores(ours, theirs, features, others=None):
    others = features if others is None else others
    np.testing.assert_allclose(ours(features), theirs(others), rtol=0, atol=1e-4)


@pytest.mark.parametrize("l2", GRID)
def test_the_gradient_of_logistic_regression_is_zero_at_its_end(l2):
    features, labels = drawn()
    found, z = one(logistic, features, labels, l2), standardised(features)
    exponentials = np.exp(found(features))
    residuals = exponentials / exponentials.sum(1, keepdims=True) - np.eye(CLASSES)[labels]
    kernel = found.kernel * np.asarray(features, np.float64).std(0)[:, None]
    np.testing.assert_allclose(z.T @ residuals / len(z) + l2 * kernel, 0, atol=1.1 * TOLERANCE)
    bias = found.bias + features.mean(0, dtype=np.float64) @ found.kernel
    np.testing.assert_allclose(residuals.mean(0) + l2 * bias, 0, atol=1.1 * TOLERANCE)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.integers(0, 1000), st.integers(5, 40), st.integers(1, 9), st.sampled_from(GRID))
def test_ridge_regression_is_least_squares_with_a_row_for_every_weight(seed, images, width, l2):
    features, labels = drawn(seed, images, width)
    found, z = one(fit_ridge, features, labels, l2), standardised(features)
    targets = np.eye(CLASSES)[labels]
    rows = np.vstack([z, np.sqrt(images * l2) * np.eye(width)])
    kernel = np.linalg.lstsq(rows, np.vstack([targets - targets.mean(0), np.zeros((width, CLASSES))]))[0]
    np.testing.assert_allclose(found(features), z @ kernel + targets.mean(0), atol=1e-9)


@both
def test_neither_the_scale_of_a_feature_nor_the_order_of_the_images_matters(fit):
    features, labels = drawn()
    found = one(fit, features, labels)
    scaled = features.astype(np.float64) * np.logspace(-3, 3, 7) + np.arange(7)
    assert_equal_scores(found, one(fit, scaled, labels), features, scaled)
    order = np.random.default_rng(1).permutation(len(labels))
    assert_equal_scores(found, one(fit, features[order], labels[order]), features)


@both
def test_classes_that_lie_apart_are_learnt_without_an_error(fit):
    features, labels = drawn()
    features += 20 * np.eye(CLASSES, 7)[labels]
    assert feature_errors(one(fit, features, labels), features, labels).top1 == 0


@both
def test_a_feature_that_is_the_same_for_all_images_has_no_weight(fit):
    features, labels = drawn()
    constant = np.full((len(labels), 2), [0.3, 0], np.float32)
    found = one(fit, np.hstack([features, constant]), labels)
    assert (found.kernel[-2:] == 0).all()
    np.testing.assert_allclose(found.kernel[:-2], one(fit, features, labels).kernel, rtol=0, atol=1e-4)


@both
def test_a_class_without_an_image_is_never_the_answer(fit):
    features, labels = drawn()
    (found,) = fit(features, labels, CLASSES + 1, [0.01])
    scores = found(features)
    assert scores.shape == (60, 5) and np.isfinite(scores).all() and CLASSES not in scores.argmax(1)


@both
def test_where_a_fit_starts_does_not_matter(fit):
    features, labels = drawn()
    constant = np.hstack([features, np.ones_like(features[:, :1])])
    start = one(fit, np.hstack([drawn(1)[0], np.arange(60)[:, None]]), labels, 0.1)
    assert_equal_scores(one(fit, constant, labels), one(fit, constant, labels, start=start), constant)
    for l2, found in zip(GRID[:3], fit(constant, labels, CLASSES, GRID[:3]), strict=True):
        assert_equal_scores(found, one(fit, constant, labels, l2), constant)


def test_the_scores_of_logistic_regression_have_the_mean_0():
    features, labels = drawn()
    np.testing.assert_allclose(one(logistic, features, labels)(features).mean(1), 0, atol=1e-9)


def test_a_fit_that_starts_at_its_end_takes_no_step():
    features, labels = drawn()
    end = one(logistic, features, labels)
    assert_equal_scores(one(logistic, features, labels, start=end, steps=0, tolerance=2 * TOLERANCE), end, features)


@both
def test_the_strength_is_chosen_by_the_error_on_images_that_are_held_out(fit, caplog):
    features, labels = drawn(images=203)
    found = fit_probe(fit, features, labels, CLASSES, seed=3)
    order = np.random.default_rng(3).permutation(203)
    held_out, rest = order[:40], order[40:]
    for l2, error in found.held_out_errors.items():
        wrong = one(fit, features[rest], labels[rest], l2)(features[held_out]).argmax(1) != labels[held_out]
        assert error == 100 * wrong.mean()
    errors = list(found.held_out_errors.values())
    assert tuple(found.held_out_errors) == GRID and found.l2 == GRID[errors.index(min(errors))]
    assert_equal_scores(found.classifier, one(fit, features, labels, found.l2), features)
    assert ("end of the grid" in caplog.text) == (found.l2 in (GRID[0], GRID[-1]))


@both
def test_a_strength_that_is_given_is_taken(fit):
    features, labels = drawn()
    found = fit_probe(fit, features, labels, CLASSES, l2=0.5)
    assert found.l2 == 0.5 and found.held_out_errors == {}
    assert_equal_scores(found.classifier, one(fit, features, labels, 0.5), features)


def test_errors_are_counted_as_in_every_evaluation():
    features, labels = drawn()
    found = one(fit_ridge, features, labels)
    wrong = int((found(features).argmax(1) != labels).sum())
    assert wrong and feature_errors(found, features, labels) == ErrorCounts(60, wrong, 0)


@both
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.zeros(60)}, r"features are \(60,\), expected finite numbers \(N, C\)"),
        ({"features": np.full((60, 7), np.nan)}, "expected finite numbers"),
        ({"labels": np.zeros(59, int)}, r"labels are int64 \(59,\), expected whole numbers \(60,\)"),
        ({"labels": np.zeros(60)}, "labels are float64"),
        ({"num_classes": 3}, "labels are 0 to 3, expected 0 to 2"),
        ({"l2s": [0.1, 0.0]}, "l2 is 0.0, expected a number above 0"),
    ],
)
def test_what_cannot_be_fitted_is_named(fit, change, message):
    features, labels = drawn()
    with pytest.raises(ValueError, match=message):
        fit(**({"features": features, "labels": labels, "num_classes": CLASSES, "l2s": [0.1]} | change))


def test_a_fit_that_has_not_converged_is_an_error():
    with pytest.raises(ValueError, match=r"L2 0\.0001 has a gradient of .* after 2 steps, expected at most 0\.0001"):
        fit_logistic(*drawn(), CLASSES, [1e-4], steps=2)


def test_too_few_images_cannot_be_held_out():
    with pytest.raises(ValueError, match="4 images are too few to hold out a fifth of them; give l2"):
        fit_probe(fit_ridge, *(array[:4] for array in drawn()), CLASSES)


def test_the_probed_network_answers_as_the_classifier_of_its_features():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 30)
    images = (rng.integers(0, 100, (30, 16, 16, 3)) + 50 * np.eye(3)[labels][:, None, None]).astype(np.uint8)
    source, model = ArraySource(images, labels, ("red", "green", "blue")), Own()
    network = Pretrained(
        model=model,
        variables=jax.device_get(model.init(jax.random.key(0), np.zeros((1, 16, 16, 3)))),
        pixels=NORMALISATIONS["half"],
        crop=CenterCrop(size=16, resize=16),
        classes=tuple("abcde"),
    )
    body = headless(network)
    features = compute_features(body, source, batch_size=8)
    classifier = fit_probe(fit_ridge, features.values, features.labels, 3, l2=0.1).classifier
    whole = probed(body, classifier, source.class_names)
    fields = {field: getattr(whole, field) for field in ("model", "pixels", "variables", "crop", "classes")}
    errors = evaluate_errors([Classifier(name="probed", config={}, **fields)], source, batch_size=10)
    assert errors == feature_errors(classifier, features.values, features.labels)
    best = classifier(features.values).argmax(1)
    assert [answers[0][0] for answers in whole.predict(images, k=3)] == [source.class_names[label] for label in best]
    assert body.classes == () and "body" not in body.variables["params"]
    with pytest.raises(ValueError, match="there are 2 names for 3 classes"):
        probed(body, classifier, ("a", "b"))
