"""The linear methods and the measures of error, against independent references."""

import math

import numpy as np
import pytest

RNG = np.random.default_rng(0)
CLEAN = np.clip(RNG.normal(0.5, 0.1, (500, 6)) @ RNG.normal(0, 0.5, (6, 20)) + 0.5, 0, 1)
NOISY = CLEAN + RNG.normal(0, 0.2, CLEAN.shape)


def test_psnr_of_known_errors(execute, imports):
    names = execute("errors", namespace=imports)
    half = np.full((2, 3, 3), 0.5)
    assert names["mean_squared_error"](half, half + 0.1) == pytest.approx(0.01)
    assert names["psnr"](0.01) == pytest.approx(20)
    assert names["psnr"](0.001) - names["psnr"](0.002) == pytest.approx(3.0103)
    assert names["psnr"](0) == math.inf


@pytest.fixture(scope="module")
def pca(execute, imports):
    return execute("pca", namespace=imports)


@pytest.mark.parametrize("components", [1, 3, 10, 19])
def test_pca_error_is_the_sum_of_the_discarded_variances(pca, components):
    mean, axes = pca["fit_pca"](CLEAN)
    kept = axes[:, :components]
    error = np.sum((CLEAN - mean - (CLEAN - mean) @ kept @ kept.T) ** 2) / len(CLEAN)
    singular_values = np.linalg.svd(CLEAN - CLEAN.mean(axis=0), compute_uv=False)
    assert error == pytest.approx(np.sum(singular_values[components:] ** 2) / len(CLEAN))


def test_pca_reconstruction_is_clipped_and_complete(pca):
    mean, axes = pca["fit_pca"](CLEAN)
    assert pca["pca_reconstruction"](CLEAN, mean, axes) == pytest.approx(CLEAN)
    few = pca["pca_reconstruction"](10 * CLEAN, mean, axes[:, :2])
    assert few.min() == 0 and few.max() == 1


def test_worth_is_the_first_number_of_components_that_suffices(execute, imports, pca):
    mean, axes = pca["fit_pca"](CLEAN)
    given = {**pca, "fc_test": CLEAN, "pca_mean": mean, "pca_axes": axes, "fc_mse": 1}
    given |= {"fc_codes": CLEAN, "conv_codes": CLEAN, "conv_mse": 1}
    names = execute("errors", "pca-errors", namespace={**imports, **given})
    for k in range(1, 20):
        output = pca["pca_reconstruction"](CLEAN, mean, axes[:, :k])
        error = names["mean_squared_error"](CLEAN, output)
        assert names["pca_errors"][k - 1] == pytest.approx(error)
        assert names["worth"](error * 1.000001) == k
        assert names["worth"](error * 0.999999) == k + 1


def test_nearest_neighbour_agrees_with_all_distances(execute, imports):
    labels = RNG.integers(0, 3, 500)
    train, test = CLEAN[:250], NOISY[250:]
    given = {"labels_train": labels[:250], "labels_test": labels[250:]}
    names = execute("neighbour", namespace={**imports, **given})
    distances = np.linalg.norm(test[:, np.newaxis] - train, axis=2)
    right = labels[:250][distances.argmin(axis=1)] == labels[250:]
    assert 0 < right.mean() < 1
    assert names["nearest_neighbour_accuracy"](train, test) == right.mean()


def test_no_other_linear_filter_is_better(execute, imports):
    names = execute("filter", namespace=imports)
    weights, bias = names["fit_linear_filter"](NOISY, CLEAN)
    design = np.column_stack([NOISY, np.ones(len(NOISY))])
    reference, *_ = np.linalg.lstsq(design, CLEAN)
    assert np.vstack([weights, bias]) == pytest.approx(reference)

    def error(weights, bias):
        return np.mean((NOISY @ weights + bias - CLEAN) ** 2)

    for _ in range(20):
        other = weights + RNG.normal(0, 0.01, weights.shape), bias + RNG.normal(0, 0.01, bias.shape)
        assert error(weights, bias) < error(*other)


def test_filter_is_applied_to_images_and_clipped(execute, imports):
    images = RNG.normal(0.5, 1, (5, 28, 28))
    filtered = execute("filter", namespace=imports)["filter_linearly"](images, np.eye(784), 0.1)
    assert filtered == pytest.approx(np.clip(images + 0.1, 0, 1))
