"""The notebook's helpers, against independent references, and with bad input."""

import itertools
import os

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest

RNG = np.random.default_rng(0)
CLEAN = np.clip(RNG.normal(0.5, 0.1, (500, 6)) @ RNG.normal(0, 0.5, (6, 20)) + 0.5, 0, 1)
NOISY = CLEAN + RNG.normal(0, 0.2, CLEAN.shape)
DIGITS, LABELS = RNG.integers(0, 256, (10, 28, 28), dtype=np.uint8), np.arange(10)


def archive(**changed):
    """A function that saves the arrays of an mnist.npz, some of them changed, at a path."""
    good = {"x_train": DIGITS, "y_train": LABELS, "x_test": DIGITS[::-1], "y_test": LABELS}
    arrays = {name: array for name, array in (good | changed).items() if array is not None}
    return lambda path: np.savez(path, **arrays)


BAD_FILES = {
    "missing": lambda path: None,
    "empty": lambda path: path.touch(),
    "truncated": lambda path: (archive()(path), os.truncate(path, 9000)),
    "not an archive": lambda path: path.write_text("404: not found"),
    "one plain array": lambda path: np.save(path.open("wb"), DIGITS),
    "a directory": lambda path: path.mkdir(),
    "unreadable": lambda path: path.symlink_to(path),  # not even for an administrator
    "no images": archive(x_test=None),
    "no labels": archive(y_train=None),
    "wrong shape": archive(x_test=DIGITS.reshape(10, 784)),
    "wrong type": archive(x_train=DIGITS / 255),
    "too few images": archive(x_test=DIGITS[:5], y_test=LABELS[:5]),
    "too few labels": archive(y_train=LABELS[:5]),
    "pickled objects": archive(x_train=np.array([{}, None])),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file_gives_advice(run, monkeypatch, tmp_path, name):
    BAD_FILES[name](tmp_path / "bad.npz")
    monkeypatch.setenv("MNIST_NPZ", str(tmp_path / "bad.npz"))
    with pytest.raises(RuntimeError, match="bad.npz.*Set MNIST_NPZ to") as caught:
        exec(run.sources["load"], {"os": os, "np": np})
    assert caught.value.__suppress_context__, "a traceback from deep inside a library"


def test_no_network_gives_advice(run, monkeypatch):
    def fail():
        raise OSError("URL fetch failure")

    monkeypatch.setenv("MNIST_NPZ", "")  # as good as none
    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    with pytest.raises(RuntimeError, match="from Keras .*URL fetch failure.*Set MNIST_NPZ to"):
        exec(run.sources["load"], {"os": os, "keras": keras})


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "many", "150"])
def test_bad_short_run_gives_advice(run, monkeypatch, value):
    monkeypatch.setenv("SHORT_RUN_EPOCHS", value)
    with pytest.raises(ValueError, match="SHORT_RUN_EPOCHS unset, or a number from 1 to 149"):
        exec(run.sources["settings"], {"os": os})


def test_only_a_short_run_says_that_it_does_not_count(run, monkeypatch, capsys):
    monkeypatch.delenv("SHORT_RUN_EPOCHS", raising=False)
    exec(run.sources["settings"], names := {"os": os})
    assert names["EPOCHS"] == 150 and not capsys.readouterr().out
    assert "DO NOT COUNT" in run.printed["settings"] and "NOT MNIST" in run.printed["data"]


def test_loss_figure_shows_all_epochs_and_the_last_hundred(run, monkeypatch):
    figures, history = [], {"loss": list(range(150)), "val_loss": list(range(150, 300))}
    monkeypatch.setattr(plt, "close", figures.append)
    run.names["plot_loss"]("A network", history)
    for axes, count in zip(figures[0].axes, (150, 100), strict=True):
        for curve, losses in zip(axes.get_lines(), history.values(), strict=True):
            assert list(curve.get_xdata()) == list(range(151 - count, 151))
            assert list(curve.get_ydata()) == [1000 * loss for loss in losses[-count:]]


def test_shifts_go_in_all_directions_and_are_drawn_anew_in_every_epoch(run):
    dots = np.zeros((40, 784), dtype="float32")
    dots[:, 14 * 28 + 14] = 1
    batches = run.names["shifted_batches"](dots, 1)
    once, again = ([x.argmax() for x, _ in batches.as_numpy_iterator()] for _ in range(2))
    assert {divmod(place, 28) for place in once} == set(itertools.product([13, 14, 15], repeat=2))
    assert once != again


def test_short_trainings_depend_on_their_recipe_alone(run):
    recipe = run.names["convolutional"], run.names["conv_train"], 32, keras.optimizers.Adam, 0.01
    once, again = (run.names["try_out"](*recipe) for _ in range(2))
    assert len(set(once)) == 3 and once == again != run.names["try_out"](*recipe, output_bias=0)


@pytest.mark.parametrize("count", [1, 3, 10, 19])
def test_pca_error_is_the_sum_of_the_discarded_variances(run, count):
    mean, axes = run.names["fit_pca"](CLEAN)
    error = np.sum((CLEAN - mean - (CLEAN - mean) @ axes[:, :count] @ axes[:, :count].T) ** 2)
    singular_values = np.linalg.svd(CLEAN - CLEAN.mean(axis=0), compute_uv=False)
    assert error == pytest.approx(np.sum(singular_values[count:] ** 2))


@pytest.mark.parametrize("count", [1, 10, 100, 392])
def test_so_many_components_have_this_error_and_are_worth_as_many(run, count):
    truth, mean, axes = (run.names[name] for name in ("fc_test", "pca_mean", "pca_axes"))
    output = run.names["pca_reconstruction"](truth, mean, axes[:, :count])
    assert output.min() >= 0 and output.max() <= 1
    error = run.names["pca_errors"][count - 1]
    assert error == pytest.approx(np.mean((output - truth) ** 2), rel=1e-3)
    assert run.names["worth"](error) == count
    assert run.names["worth"](error * 0.99999) == count + 1
    assert run.names["pca_mse"] == pytest.approx(run.names["pca_errors"][99], rel=1e-3)


def test_nearest_neighbour_agrees_with_all_distances(run):
    train, test = RNG.random((1200, 5)), RNG.random((300, 5))
    nearest = np.linalg.norm(test[:, np.newaxis] - train, axis=2).argmin(axis=1)
    right = np.mean(run.names["labels_train"][nearest] == run.names["labels_test"])
    assert 0 < run.names["nearest_neighbour_accuracy"](train, test) == right < 1


def test_linear_filter_has_the_least_squared_error_and_is_clipped(run):
    design = np.column_stack([NOISY, np.ones(len(NOISY))])
    reference, *_ = np.linalg.lstsq(design, CLEAN)
    assert np.vstack(run.names["fit_linear_filter"](NOISY, CLEAN)) == pytest.approx(reference)
    images = RNG.normal(0.5, 1, (5, 28, 28))
    filtered = run.names["filter_linearly"](images, np.eye(784), 0.1)
    assert filtered == pytest.approx(np.clip(images + 0.1, 0, 1))
