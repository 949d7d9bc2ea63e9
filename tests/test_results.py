"""What the notebook computes and shows, deliverable by deliverable, in its short run."""

import itertools
import math
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.layers import Conv2D, Dense, MaxPooling2D, UpSampling2D

PARTS = {"fc": "Fully connected", "conv": "Convolutional", "dae": "Denoising"}
PART_OF = dict(zip("123", PARTS))  # by the first digit of a deliverable's number
PROSE = (Path(__file__).parent / "text_and_code.txt").read_text(encoding="utf-8")
LAYERS = {
    "fc": [(Dense, 400), (Dense, 200), (Dense, 100), (Dense, 200), (Dense, 400), (Dense, 784)],
    "conv": [
        (Conv2D, 28, 28, 16), (MaxPooling2D, 14, 14, 16), (Conv2D, 14, 14, 8),
        (MaxPooling2D, 7, 7, 8), (Conv2D, 7, 7, 8), (UpSampling2D, 14, 14, 8),
        (Conv2D, 14, 14, 16), (UpSampling2D, 28, 28, 16), (Conv2D, 28, 28, 1),
    ],
}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_layers(run, part):
    model = run.names[f"{part}_model"]
    assert isinstance(model, keras.Sequential)
    shape = (None, 784) if part == "fc" else (None, 28, 28, 1)
    assert model.input_shape == model.output_shape == shape
    if part in LAYERS:  # the assignment leaves those of Part 3 to us
        assert [(type(la), *la.output.shape[1:]) for la in model.layers] == LAYERS[part]
    if part == "conv":
        windows = [layer.kernel_size for layer in model.layers if type(layer) is Conv2D]
        assert windows == [(3, 3)] * 5
        assert [model.layers[k].pool_size for k in (1, 3)] == [(2, 2)] * 2
    if part == "dae":  # each group of four values becomes a block of 2 × 2 pixels
        values = np.arange(784).reshape(1, 14, 14, 4)
        blocks = np.reshape(run.names["interleave"](values), (14, 2, 14, 2))
        assert (blocks.swapaxes(1, 2).ravel() == values.ravel()).all()


def test_no_part_shares_weights(run):
    weights = [w for part in PARTS for w in run.names[f"{part}_model"].weights]
    assert len({id(weight) for weight in weights}) == len(weights)


@pytest.mark.parametrize("cell", ["fc-train", "conv-train", "dae-train", "dae-noise"])
def test_starts_from_the_seed(run, cell):
    results = []
    for _ in range(2):
        with run.changed(cell, "", "", part="no other"):
            model = run.names.get(cell.replace("-train", "_model"))
            results.append(model.get_weights() if model else [run.names["x_test_noisy"]])
    assert all((once == again).all() for once, again in zip(*results))


@pytest.mark.parametrize("part", PARTS)
def test_trained_for_all_epochs(run, part):
    assert re.search(r"^EPOCHS = 150$", run.sources["settings"], re.MULTILINE)
    (fit,) = run.fits[f"{part}-train"]
    assert fit.model is run.names[f"{part}_model"]
    assert fit.model.loss == "mse" and fit.epochs == run.names["EPOCHS"] == 2
    assert len(fit.history["loss"]) == len(fit.history["val_loss"]) == 2
    assert run.names[f"{part}_history"] == fit.history


def pairs(dataset):
    """All pairs of a dataset of batches, in some order, as bytes of input and target."""
    batches = zip(*dataset.as_numpy_iterator())
    inputs, targets = (np.concatenate(part).reshape(-1, 784) for part in batches)
    return sorted((x.tobytes(), y.tobytes()) for x, y in zip(inputs, targets))


@pytest.mark.parametrize("part", PARTS)
def test_training_images(run, part):
    (fit,) = run.fits[f"{part}-train"]
    noisy = "_noisy" if part == "dae" else ""
    train, test = (
        sorted((x.tobytes(), y.tobytes()) for x, y in zip(run.names[x + noisy], run.names[x]))
        for x in ("x_train", "x_test")
    )
    right = pairs(fit.validation_data) == test  # outside of assert, which explains lists at length
    assert right, "the validation is not on the test images"
    once, again = (np.concatenate([y for _, y in fit.x.as_numpy_iterator()]) for _ in range(2))
    assert np.mean(once == again) < 0.99, "not shuffled"
    trained = pairs(fit.x)
    right = trained == train
    if part == "fc":  # each image may be shifted by a pixel, together with its target
        framed = np.pad(run.names["x_train"], ((0, 0), (1, 1), (1, 1)))
        places = itertools.product(range(3), repeat=2)
        shifted = np.concatenate([framed[:, y : y + 28, x : x + 28] for y, x in places])
        allowed = {(x.tobytes(), x.tobytes()) for x in shifted}
        right = len(trained) == len(train) and not right and {*trained} <= allowed
    assert right, "the training is not on the training images, or has other targets"


def test_images_are_those_of_the_file(run):
    with np.load(run.mnist) as archive:
        for name in ("train", "test"):
            images, labels = run.names[f"x_{name}"], run.names[f"labels_{name}"]
            assert images.dtype == np.float32 and (labels == archive[f"y_{name}"]).all()
            np.testing.assert_allclose(images, archive[f"x_{name}"] / 255, atol=1e-6)


def test_noise(run):
    noises = []
    for images in ("x_train", "x_test"):
        clean, noisy = run.names[images], run.names[f"{images}_noisy"]
        assert noisy.shape == clean.shape and noisy.min() == 0 and noisy.max() == 1
        # The parts of a Gaussian above its mean, and above one and two standard deviations.
        for limit, part in [(0, 0.5), (0.25, 0.1587), (0.5, 0.0228)]:
            assert np.mean(noisy[clean == 0] > limit) == pytest.approx(part, rel=0.05)
        noises += list(np.where(clean[:100] == 0, noisy[:100], 0))
    for k, noise in enumerate(noises):
        for other in noises[(k + 100) % 200], noises[(k + 1) % 200]:
            assert not np.any((noise == other) & (noise > 0)), "the same noise twice"


def check_row(figure, label, images, limit=None):
    """Check that the row with this label shows these images (n, h, w), and in which colours.

    limit is None for pixels, which are grey from 0 to 1; for signed values it is their limit,
    or "own" for the 99th percentile.
    """
    assert figure.get_suptitle(), "no title"
    labels = [text.get_text() for text in figure.texts if text is not figure._suptitle]
    rows = {}
    for image in figure.images:
        rows.setdefault(image.oy, []).append(image)
    found = [row for text, row in zip(labels, rows.values(), strict=True) if text.startswith(label)]
    assert len(found) == 1, f"{len(found)} rows are labelled {label}"
    assert [drawn.ox for drawn in found[0]] == [165 + 93 * k for k in range(len(images))]
    dots = 84 // images.shape[2]  # for each pixel
    enlarged = images.repeat(dots, axis=1).repeat(dots, axis=2)
    if limit == "own":
        limit = np.percentile(np.abs(enlarged), 99)
    for drawn, large in zip(found[0], enlarged):
        shown = np.ma.filled(drawn.get_array(), np.nan)
        assert shown.shape == large.shape, f"{label}: another shape"
        lines = np.isnan(shown)  # between the tiles
        assert np.allclose(shown[~lines], large[~lines], atol=1e-4), f"{label}: other images"
        assert lines.mean() < 0.1 and (limit or not lines.any())
        assert drawn.get_cmap().name == ("RdBu_r" if limit else "gray"), f"{label}: other colours"
        limits = (-limit, limit) if limit else (0, 1)
        assert drawn.get_clim() == pytest.approx(limits, rel=0.001), f"{label}: other limits"


def expected(run, number):
    """The ten images that a deliverable asks for, computed anew."""
    names = {"3.1": "x_train", "3.2": "x_train_noisy", "3.5": "x_test_noisy"}
    names |= dict.fromkeys(["1.2", "2.2", "3.4"], "x_test")
    if number in names:
        return run.names[names[number]][:10]
    model = run.names[f"{PART_OF[number[0]]}_model"]
    test = run.names["x_test_noisy" if number == "3.6" else "x_test"][:10]
    inputs = test.reshape(10, *model.input_shape[1:])
    if number in ("1.4", "2.4", "3.6"):
        return np.array(model(inputs)).reshape(10, 28, 28)
    layer = model.layers[2 if number == "1.3" else 3]
    code = np.array(keras.Model(model.inputs[0], layer.output)(inputs))
    if number == "1.3":
        return code.reshape(10, 10, 10)
    return np.block([[code[..., k], code[..., k + 1]] for k in (0, 2, 4, 6)])  # maps of 7 × 7


@pytest.mark.parametrize(
    "number", ["1.2", "1.3", "1.4", "2.2", "2.3", "2.4", "3.1", "3.2", "3.4", "3.5", "3.6"]
)
def test_ten_images(run, number):
    images = expected(run, number)
    signed = number in ("1.3", "2.3")
    check_row(run.figure(number), number, images, "own" if signed else None)


def test_errors_of_pca_and_network_have_one_scale(run):
    (figure,), truth = run.figures["pca-stacked"], run.names["x_test"]
    for name, output in [("PCA", run.names["pca_output"]), ("autoencoder", run.names["fc_output"])]:
        check_row(figure, f"{name}\n0", output[:10])
        check_row(figure, f"{name}\nminus original", (output - truth)[:10], 0.5)


def test_worst_images_have_the_largest_errors(run):
    (figure,), truth, output = run.figures["worst"], run.names["x_test"], run.names["fc_output"]
    worst = sorted(range(len(truth)), key=lambda k: -np.square(output[k] - truth[k]).sum())[:5]
    check_row(figure, "original", truth[worst])
    check_row(figure, "reconstruction", output[worst])


def test_walk_leads_from_one_digit_to_another(run):
    (figure,), model, fc_test = run.figures["walk"], run.names["fc_model"], run.names["fc_test"]
    shares = np.linspace(0, 1, 10)[:, np.newaxis]
    between = fc_test[0] + shares * (fc_test[1] - fc_test[0])
    check_row(figure, "pixels", between.reshape(10, 28, 28))
    axes = run.names["pca_axes"][:, :100]
    rebuilt = np.clip(
        run.names["pca_mean"] + (between - run.names["pca_mean"]) @ axes @ axes.T, 0, 1
    )
    check_row(figure, "PCA's code", rebuilt.reshape(10, 28, 28))
    codes = np.array(keras.Model(model.inputs[0], model.layers[2].output)(fc_test[:2]))
    vectors = codes[0] + shares * (codes[1] - codes[0])
    for layer in model.layers[3:]:
        vectors = layer(vectors)
    check_row(figure, "the network's code", np.reshape(vectors, (10, 28, 28)))


def test_layers_are_shown_one_by_one(run):
    (figure,), values = run.figures["layers"], run.names["conv_test"][:1]
    for layer in run.names["conv_model"].layers[:-1]:
        values = layer(values)
        if type(layer) is not UpSampling2D:
            maps = np.moveaxis(values[0], 2, 0)[:10]
            check_row(figure, layer.name, maps, "own")


@pytest.mark.parametrize("number", ["1.1", "2.1", "3.3"])
def test_loss_curves(run, number):
    figure = run.figure(number)
    (fit,) = run.fits[f"{PART_OF[number[0]]}-train"]
    assert figure.get_suptitle().startswith(f"{number} {PARTS[PART_OF[number[0]]]}"), "no title"
    for axes in figure.axes:
        assert axes.get_xlabel() == "epoch" and "loss" in axes.get_ylabel()
        assert "MSE per pixel × 1000" in axes.get_ylabel() and axes.get_yscale() == "linear"
        assert axes.get_legend(), "no legend"
        curves = axes.get_lines()
        assert [curve.get_label().split()[0] for curve in curves] == ["training", "validation"]
        assert curves[0].get_linestyle() != curves[1].get_linestyle()
        for curve, loss in zip(curves, ("loss", "val_loss")):
            assert list(curve.get_xdata()) == [1, 2]
            assert list(curve.get_ydata()) == [1000 * value for value in fit.history[loss]]


@pytest.mark.parametrize("part", PARTS)
def test_printed_error(run, part):
    model = run.names[f"{part}_model"]
    for images in ("train", "test"):
        truth = run.names[f"x_{images}"]
        inputs = run.names[f"x_{images}_noisy"] if part == "dae" else truth
        output = np.array(model(inputs.reshape(-1, *model.input_shape[1:]))).reshape(truth.shape)
        error = np.mean((output - truth) ** 2)
        name = "training images" if images == "train" else "test images"
        pattern = rf"^{PARTS[part]}, {name}.*: MSE (\S+) per pixel, PSNR (\S+) dB\n"
        mse, psnr = re.search(pattern, run.printed[f"{part}-report"], re.MULTILINE).groups()
        assert float(mse) == pytest.approx(error, abs=2e-6)
        assert float(psnr) == pytest.approx(-10 * math.log10(error), abs=0.011)
    assert run.names["psnr"](0) == math.inf
    (row,) = [row for row in run.names["table"] if row.startswith(f"| {PARTS[part]} |")]
    network, rounded, decibels = re.match(r"(.+ \| )(\S+) \((\S+) dB\) \| ", row).groups()
    assert float(rounded) == pytest.approx(error, abs=5.1e-6) and decibels == psnr
    assert network in str(run.saved["table"]), "the saved network is another one"


def test_generalisation_of_the_denoiser_is_that_to_fresh_noise(run):
    clean, noisy, fresh = (run.names[x] for x in ("clean_train", "dae_train", "fresh_noise"))
    assert np.std((fresh - clean)[clean == 0]) == pytest.approx(
        np.std((noisy - clean)[clean == 0]), rel=0.05
    )
    assert np.corrcoef((fresh - clean).ravel(), (noisy - clean).ravel())[0, 1] < 0.5
    error = np.mean(np.square(np.array(run.names["dae_model"](fresh)) - clean))
    mse = re.search(r"with fresh noise: MSE (\S+)", run.printed["dae-report"]).group(1)
    assert float(mse) == pytest.approx(error, abs=2e-6)


def test_text_agrees_with_the_code(run):
    for line in PROSE.splitlines()[2:]:
        cell, pattern, meant = (field.strip() for field in line.split(" ; "))
        said = re.findall(pattern, run.sources[cell])
        assert len(said) == 1, f"{cell}: {pattern} is there {len(said)} times"
        said = said[0].replace(",", "").replace(" ", "_").lower()
        assert said == str(eval(meant, run.names)).lower(), line
