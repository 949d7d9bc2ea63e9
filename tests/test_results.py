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


def check_images(figure, rows):
    """Check that a figure shows ten images per row; rows: (images, (black, white)), ...."""
    assert figure.get_suptitle(), "no title"
    assert len(figure.axes) == 10 * len(rows), f"{len(figure.axes)} pictures"
    for k, (images, greys) in enumerate(rows):
        row = figure.axes[10 * k : 10 * k + 10]
        assert row[0].get_ylabel(), "no label"
        for axes, image in zip(row, images, strict=True):
            (drawn,) = axes.images
            assert np.shape(drawn.get_array()) == image.shape, "another shape"
            assert np.allclose(drawn.get_array(), image, atol=1e-4), "other images"
            assert drawn.get_cmap().name == "gray" and drawn.get_clim() == greys, "other greys"


def expected(run, number):
    """The ten images that a deliverable asks for, computed anew, and its black and white."""
    names = {"3.1": "x_train", "3.2": "x_train_noisy", "3.5": "x_test_noisy"}
    names |= dict.fromkeys(["1.2", "2.2", "3.4"], "x_test")
    if number in names:
        return run.names[names[number]][:10], (0, 1)
    model = run.names[f"{PART_OF[number[0]]}_model"]
    test = run.names["x_test_noisy" if number == "3.6" else "x_test"][:10]
    inputs = test.reshape(10, *model.input_shape[1:])
    if number in ("1.4", "2.4", "3.6"):
        return np.array(model(inputs)).reshape(10, 28, 28), (0, 1)
    layer = model.layers[2 if number == "1.3" else 3]
    code = np.array(keras.Model(model.inputs[0], layer.output)(inputs))
    largest = math.ceil(np.abs(code).max())
    if number == "1.3":
        return code.reshape(10, 10, 10), (-largest, largest)
    rows = [[code[..., k], code[..., k + 1]] for k in (0, 2, 4, 6)]  # of maps of 7 × 7
    return np.block(rows), (-largest, largest)


@pytest.mark.parametrize(
    "number", ["1.2", "1.3", "1.4", "2.2", "2.3", "2.4", "3.1", "3.2", "3.4", "3.5", "3.6"]
)
def test_ten_images(run, number):
    check_images(run.figure(number), [expected(run, number)])


@pytest.mark.parametrize("part", PARTS)
def test_stacked_images(run, part):
    numbers = {"fc": "1.2 1.3 1.4", "conv": "2.2 2.3 2.4", "dae": "3.4 3.5 3.6"}[part]
    (figure,) = run.figures[f"{part}-stacked"]
    check_images(figure, [expected(run, number) for number in numbers.split()])


@pytest.mark.parametrize("number", ["1.1", "2.1", "3.3"])
def test_loss_curves(run, number):
    figure = run.figure(number)
    (fit,) = run.fits[f"{PART_OF[number[0]]}-train"]
    assert figure.get_suptitle(), "no title"
    for axes in figure.axes:
        assert axes.get_xlabel() == "epoch" and "loss" in axes.get_ylabel()
        assert axes.get_legend(), "no legend"
        curves = axes.get_lines()
        assert [curve.get_label().split()[0] for curve in curves] == ["training", "validation"]
        assert curves[0].get_linestyle() != curves[1].get_linestyle()
        for curve, loss in zip(curves, ("loss", "val_loss")):
            assert list(curve.get_xdata()) == [1, 2]
            assert list(curve.get_ydata()) == fit.history[loss]


@pytest.mark.parametrize("part", PARTS)
def test_printed_error(run, part):
    model, test = run.names[f"{part}_model"], run.names["x_test"]
    inputs = run.names["x_test_noisy"] if part == "dae" else test
    output = np.array(model(inputs.reshape(-1, *model.input_shape[1:]))).reshape(test.shape)
    error = np.mean((output - test) ** 2)
    pattern = rf"^{PARTS[part]}: test MSE (\S+) per pixel, PSNR (\S+) dB\n"
    mse, psnr = re.search(pattern, run.printed[f"{part}-report"]).groups()
    assert float(mse) == pytest.approx(error, abs=1.1e-5)
    assert run.names["psnr"](0) == math.inf
    assert float(psnr) == pytest.approx(-10 * math.log10(error), abs=0.011)
    (row,) = [row for row in run.names["table"] if row.startswith(f"| {PARTS[part]} |")]
    assert f"| {mse} | {psnr} dB |" in row
    assert row[: row.index(mse)] in str(run.saved["table"]), "the saved network is another one"


def test_text_agrees_with_the_code(run):
    for line in PROSE.splitlines()[2:]:
        cell, pattern, meant = (field.strip() for field in line.split(" ; "))
        said = re.findall(pattern, run.sources[cell])
        assert len(said) == 1, f"{cell}: {pattern} is there {len(said)} times"
        said = said[0].replace(",", "").replace(" ", "_").lower()
        assert said == str(eval(meant, run.names)).lower(), line
