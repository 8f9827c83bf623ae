"""Linear probes: a linear classifier on the features of a frozen network (Alain and Bengio 2016).

The classifier is fitted to all images at once, so there is no learning rate and no schedule: by multinomial logistic
regression with L-BFGS, as by Kornblith et al. 2019, or by ridge regression. Both see features that are standardised by
the mean and the deviation of the training images, which the returned kernel and bias contain; so the scale of a feature
does not matter.
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import ArrayLike, NDArray

from cnn_evolution.evaluation.errors import ErrorCounts, count_errors
from cnn_evolution.needed import needed_for
from cnn_evolution.pretrained import Pretrained

with needed_for("linear probes"):
    import scipy.linalg
    import scipy.optimize

GRID = (1.0, 0.1, 0.01, 0.001, 1e-4, 1e-5)
"""Strengths of L2 among which `fit_probe` chooses, the strongest first."""
log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class LinearClassifier:
    """`features @ kernel + bias`.

    Attributes:
      kernel: float64 (C, classes).
      bias: float64 (classes,).
    """

    kernel: NDArray[np.float64]
    bias: NDArray[np.float64]

    def __call__(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Features (N, C) to scores (N, classes)."""
        scores: NDArray[np.float64] = features @ self.kernel + self.bias
        return scores


Fit = Callable[..., list[LinearClassifier]]
"""`(features, labels, num_classes, l2s, start=None) -> classifiers`, one for each strength of L2."""


def fit_logistic(
    features: ArrayLike,
    labels: ArrayLike,
    num_classes: int,
    l2s: Sequence[float],
    start: LinearClassifier | None = None,
    steps: int = 1000,
    tolerance: float = 1e-4,
) -> list[LinearClassifier]:
    """Multinomial logistic regression by L-BFGS, in float64.

    It minimises the mean cross-entropy plus l2 / 2 times the squared norm of kernel and bias for standardised features.
    With a free bias, a class without an image would have no optimum.

    Args:
      features: (N, C).
      labels: (N,), from 0 to `num_classes` - 1.
      num_classes: Of them, some may have no image.
      l2s: Strengths, above 0. Each fit starts where the one before has ended, which is fastest from strong to weak.
      start: Where the first starts; None for zeros.
      steps: Of L-BFGS, at most, for each strength.
      tolerance: A fit has converged where no component of its gradient is larger (scikit-learn's default).

    Raises:
      ValueError: Shapes, labels or strengths are not what is stated here, or a fit has not converged.
    """
    data = _Standardised.of(features, labels, num_classes, l2s)
    params = np.zeros((data.values.shape[1] + 1, num_classes)) if start is None else data.unfolded(start)
    found = []
    with jax.enable_x64(True):
        arrays = jnp.asarray(data.values), jnp.asarray(data.labels)
        for l2 in l2s:
            params = _minimum(params, *arrays, l2, steps, tolerance)
            found.append(data.folded(params))
    return found


def _minimum(
    params: NDArray[np.float64], features: Array, labels: Array, l2: float, steps: int, tolerance: float
) -> NDArray[np.float64]:
    """The `params` of the smallest `_logistic`, from those that are given."""

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = _logistic(flat.reshape(params.shape), features, labels, l2)
        return float(value), np.asarray(gradient).reshape(-1)

    options = {"maxiter": steps, "maxfun": 2 * steps, "gtol": tolerance, "ftol": 0}
    end = scipy.optimize.minimize(loss, params.reshape(-1), jac=True, method="L-BFGS-B", options=options)
    largest = np.abs(end.jac).max()
    if largest > tolerance:
        raise ValueError(
            f"the logistic regression with L2 {l2:g} has a gradient of {largest:.1e} after {end.nit} steps, expected "
            f"at most {tolerance:g}; give a stronger l2"
        )
    minimum: NDArray[np.float64] = end.x.reshape(params.shape)
    return minimum


@jax.jit
@jax.value_and_grad
def _logistic(params: Array, features: Array, labels: Array, l2: Array) -> Array:
    """The loss and its gradient; the last row of `params` (C + 1, classes) is the bias."""
    scores = features @ params[:-1] + params[-1]
    return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean() + l2 / 2 * (params**2).sum()


def fit_ridge(
    features: ArrayLike,
    labels: ArrayLike,
    num_classes: int,
    l2s: Sequence[float],
    start: LinearClassifier | None = None,
) -> list[LinearClassifier]:
    """Ridge regression on one-hot targets, by the normal equations and Cholesky's factors, in float64.

    It minimises half the mean squared distance to the target plus l2 / 2 times the squared norm of the kernel for
    standardised features. The bias is free. Scores rank the classes; their softmax is no estimate of probabilities.

    Args:
      features: (N, C).
      labels: (N,), from 0 to `num_classes` - 1.
      num_classes: Of them, some may have no image.
      l2s: Strengths, above 0.
      start: Is not needed.

    Raises:
      ValueError: Shapes, labels or strengths are not what is stated here.
    """
    data = _Standardised.of(features, labels, num_classes, l2s)
    images, width = data.values.shape
    targets = np.eye(num_classes)[data.labels]
    bias = targets.mean(0)  # since standardised features have the mean 0
    moments, correlations = data.values.T @ data.values / images, data.values.T @ (targets - bias) / images
    kernels = (scipy.linalg.solve(moments + l2 * np.eye(width), correlations, assume_a="pos") for l2 in l2s)
    return [data.folded(np.vstack([kernel, bias])) for kernel in kernels]


METHODS: Mapping[str, Fit] = {"logistic": fit_logistic, "ridge": fit_ridge}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Probe:
    """A fitted classifier.

    Attributes:
      classifier: Fitted to all images.
      l2: Its strength of L2.
      held_out_errors: Where `l2` was chosen, by each strength the top-1 error of the held-out images, in percent.
    """

    classifier: LinearClassifier
    l2: float
    held_out_errors: Mapping[float, float]


def fit_probe(
    fit: Fit, features: NDArray[Any], labels: NDArray[Any], num_classes: int, *, l2: float | None = None, seed: int = 0
) -> Probe:
    """Fits a classifier, by the strength of L2 in `GRID` that has the lowest top-1 error on a held-out fifth.

    Of equally good ones the strongest is taken; an end of the grid is said. Then a classifier is fitted to all images.

    Args:
      fit: One of `METHODS`.
      features: (N, C).
      labels: (N,), from 0 to `num_classes` - 1.
      num_classes: Number of the classes.
      l2: The strength, if it is known.
      seed: Draws the fifth.

    Raises:
      ValueError: There are fewer than five images to choose by, or as `fit`.
    """
    if l2 is not None:
        (classifier,) = fit(features, labels, num_classes, [l2])
        return Probe(classifier=classifier, l2=l2, held_out_errors={})
    if len(features) < 5:
        raise ValueError(f"{len(features)} images are too few to hold out a fifth of them; give l2")
    order = np.random.default_rng(seed).permutation(len(features))
    held_out, rest = np.split(order, [len(features) // 5])
    fitted = dict(zip(GRID, fit(features[rest], labels[rest], num_classes, GRID), strict=True))
    errors = {l2: feature_errors(one, features[held_out], labels[held_out]).top1 for l2, one in fitted.items()}
    best = min(errors, key=lambda l2: errors[l2])
    if best in (GRID[0], GRID[-1]):
        log.warning("L2 %g is chosen at the end of the grid; a value beyond may be better, which l2 states", best)
    (classifier,) = fit(features, labels, num_classes, [best], start=fitted[best])
    return Probe(classifier=classifier, l2=best, held_out_errors=errors)


def feature_errors(classifier: LinearClassifier, features: NDArray[Any], labels: NDArray[Any]) -> ErrorCounts:
    """Errors of a classifier on features (N, C) with labels (N,)."""
    scores = classifier(features).astype(np.float32)
    return ErrorCounts(*(int(count) for count in count_errors(jnp.asarray(scores), jnp.asarray(labels))))


class Probed(nn.Module):
    """A network under a linear layer `fc`.

    Attributes:
      body: Images (N, H, W, 3) to features (N, C).
      num_classes: Size of the layer.
    """

    body: nn.Module
    num_classes: int

    @nn.compact
    def __call__(self, images: Array, *, train: bool = False) -> Array:
        features = self.body(images, train=train).astype(jnp.float32)
        return nn.Dense(self.num_classes, name="fc")(features)


def probed(network: Pretrained, classifier: LinearClassifier, classes: Sequence[str]) -> Pretrained:
    """A headless network with a fitted classifier, as a network of these classes.

    Raises:
      ValueError: There are more or fewer names than classes.
    """
    kernel, bias = (np.asarray(array, np.float32) for array in (classifier.kernel, classifier.bias))
    if len(classes) != len(bias):
        raise ValueError(f"there are {len(classes)} names for {len(bias)} classes")
    variables = {collection: {"body": arrays} for collection, arrays in network.variables.items()}
    variables["params"]["fc"] = {"kernel": kernel, "bias": bias}
    return dataclasses.replace(
        network, model=Probed(network.model, len(bias)), variables=variables, classes=tuple(classes)
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Standardised:
    """Features with the mean 0 and the deviation 1.

    values: float64 (N, C); zero where a feature is the same for all images, of which nothing can be learnt.
    labels: int32 (N,).
    mean: (C,).
    deviation: (C,); infinite where a feature is constant.
    """

    values: NDArray[np.float64]
    labels: NDArray[np.int32]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, features: ArrayLike, labels: ArrayLike, num_classes: int, l2s: Sequence[float]) -> "_Standardised":
        """Raises ValueError if they are not what a fit expects."""
        values, numbers = np.array(features, np.float64), np.asarray(labels)
        if values.ndim != 2 or not len(values) or not np.isfinite(values).all():
            raise ValueError(f"features are {values.shape}, expected finite numbers (N, C) of at least one image")
        if numbers.shape != values.shape[:1] or not np.issubdtype(numbers.dtype, np.integer):
            raise ValueError(f"labels are {numbers.dtype} {numbers.shape}, expected whole numbers ({len(values)},)")
        if numbers.min() < 0 or numbers.max() >= num_classes:
            raise ValueError(f"labels are {numbers.min()} to {numbers.max()}, expected 0 to {num_classes - 1}")
        if wrong := [l2 for l2 in l2s if not 0 < l2 < np.inf]:
            raise ValueError(f"l2 is {wrong[0]}, expected a number above 0")
        mean, deviation = values.mean(0), values.std(0)
        deviation[deviation <= np.finfo(np.float32).eps * np.abs(mean)] = np.inf  # what rounding leaves of a constant
        values -= mean
        values /= deviation
        return cls(values, numbers.astype(np.int32), mean, deviation)

    def folded(self, params: NDArray[np.float64]) -> LinearClassifier:
        """The classifier of features as they are; the last row of `params` (C + 1, classes) is the bias."""
        kernel = params[:-1] / self.deviation[:, None]
        return LinearClassifier(kernel, params[-1] - self.mean @ kernel)

    def unfolded(self, classifier: LinearClassifier) -> NDArray[np.float64]:
        """`params` of a classifier."""
        varying = np.where(np.isinf(self.deviation), 0, self.deviation)
        return np.vstack([classifier.kernel * varying[:, None], classifier.bias + self.mean @ classifier.kernel])
