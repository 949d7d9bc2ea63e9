"""What the notebook trains, shows and prints, what is saved of it, and what its text says."""

import re

import keras
import numpy as np
import pytest
from keras.layers import Conv2D, Dense, MaxPooling2D, UpSampling2D

from execution import ROOT, Notebook, smaller

PARTS = pytest.mark.parametrize("part", [1, 2, 3])
WIDE, NARROW, ONE = (Conv2D(maps, 3, padding="same") for maps in (16, 8, 1))
DOWN, UP = MaxPooling2D(2), UpSampling2D(2)
DENSE = [Dense(units) for units in (400, 200, 100, 200, 400, 784)]
CONVOLUTIONS = [WIDE, DOWN, NARROW, DOWN, NARROW, UP, WIDE, UP, ONE]
FREE = ("name", "activation", "use_bias", "kernel_initializer", "bias_initializer")


@pytest.mark.parametrize("part, asked", [(1, DENSE), (2, CONVOLUTIONS)])
def test_layers(run, part, asked):
    both = run.fits[part].model.layers, asked
    has, asks = ([(type(x), x.get_config() | dict.fromkeys(FREE)) for x in some] for some in both)
    assert has == asks, f"Part {part}: the layers are not those of the assignment"


@PARTS
def test_training(run, part):
    fit, here = run.fits[part], f"Part {part}:"
    assert fit.epochs == 150, f"{here} {fit.epochs} epochs, not 150"
    assert fit.more.keys() <= {"shuffle"}, f"{here} fit is given {[*fit.more]}"
    kind = type(fit.model), *{x.trainable for x in fit.model.layers}, fit.model.stop_training
    assert kind == (keras.Sequential, True, False), f"{here} type, trainable, cut short: {kind}"
    assert all(map(np.array_equal, fit.model.get_weights(), fit.end)), f"{here} earlier weights"
    inks = [np.sum(list(fit.data["train"])[0][1], axis=-1) for _ in range(2)]
    assert not np.allclose(*inks), f"{here} the images come in the same order in every epoch"
    rates, done = np.array(fit.rates) / fit.rates[0], np.arange(150) / 150
    assert rates[-1] < 0.001, f"{here} the learning rate does not end at 0"
    right = np.allclose(rates, (1 + np.cos(np.pi * done)) / 2, atol=0.002)
    assert right or "cosine" not in decision(run, part, "learning rate"), f"{here} no cosine to 0"


@PARTS
@pytest.mark.parametrize("name", ["train", "test"])
def test_images(run, part, name):
    (inputs, targets), here = run.given(part, name), f"Part {part}: the {name} images are"
    assert part == 3 or np.array_equal(inputs, targets), f"{here} not their own targets"
    shifted = part == 1 and name == "train" and "shifted" in decision(run, 1, "images")
    steps = (-1, 0, 1) if shifted else (0,)
    moved = [np.roll(getattr(run, name), (a, b), (1, 2)) for a in steps for b in steps]
    same = np.isclose(targets, moved, atol=1e-6).all(axis=(2, 3))  # by place and image
    assert same.any(0).all() and same.any(1).all(), f"{here} not MNIST's{', shifted' * shifted}"


@pytest.mark.parametrize("name, other", [("train", "test"), ("test", "train")])
def test_noise(run, name, other):
    (noisy, clean), here = run.given(3, name), f"Part 3, noisy {name} images:"
    assert (noisy.min(), noisy.max()) == (0, 1), f"{here} they do not go from 0 to 1"
    for noise in noisy[clean == 0], 1 - noisy[clean == 1]:
        far = [np.mean(noise > k / 4) - p for k, p in enumerate((0.5, 0.1587, 0.0228))]
        assert max(map(abs, far)) < 2 / noise.size**0.5, f"{here} not Gaussian, of scale 0.25"
    for others in (noisy - clean)[1:], np.subtract(*run.given(3, other)):
        same = [np.isclose(one, two, atol=1e-6).mean() for one, two in zip(noisy - clean, others)]
        assert max(same) < 0.2, f"{here} the noise is that of other images"


@PARTS
def test_fresh_start(run, part):
    alone, whole = Notebook(run.mnist, *run.change), run.fits[part]
    cells = [cell for cell in alone.code if cell.part in (None, part)]
    last = [cell.source for cell in cells].index(whole.cell.source)
    alone.interrupted = True
    with pytest.raises(KeyboardInterrupt):
        alone.execute(cells[: last + 1])
    first, alone.interrupted = alone.fits[part], False
    again = [alone.execute([cells[last]]).fits[part] for _ in range(2)]
    for when, fit in zip(("in order", "alone", "after a stop", "twice"), (whole, first, *again)):
        new = all(np.ptp(biases) == 0 for biases in fit.start if biases.ndim == 1)
        assert new, f"Part {part}, run {when}: the cell that trains makes no fresh network"
        same = map(np.array_equal, [*fit.start, fit.batch[0]], [*first.start, first.batch[0]])
        assert all(same), f"Part {part}, run {when}: other first weights or images; set the seed"


def decision(run, part, name):
    """Return what the second column of a part's table of decisions says."""
    text = "\n".join(cell.source for cell in run.cells if cell.part == part)
    rows = re.findall(rf"(?m)^\| (?:other |before the )?{name}[\w, ]* \| (.+?) \|", text)
    assert len(rows) == 1, f"Part {part}: {len(rows)} rows, not one, of its table are on {name!r}"
    return rows[0]


@PARTS
def test_table(run, part):
    fit = run.fits[part]
    decay = {getattr(fit.model.optimizer, f"{kind}weight_decay", None) for kind in ("", "adam_")}
    names = [getattr(x, "activation", print).__name__ for x in fit.model.layers]  # print: none
    hidden = {1: (0, 1, 3, 4), 2: (0, 4, 6), 3: range(len(names) - 3)}[part]
    done = {
        "hidden": {names[k] for k in hidden},
        "output": {*names[hidden[-1] + 1 :]} - {"print", "linear"},
        "bias": {f"use_bias={getattr(x, 'use_bias', True)}" for x in fit.model.layers},
        "loss": {keras.losses.get(fit.model.loss).__name__},
        "optimiser": {type(fit.model.optimizer).__name__},
        "learning rate": {f"{fit.rates[0]:.3g}"},
        "batch size": {len(fit.batch[0])},
    }
    done |= {"bottleneck": {names[2]}} if part < 3 else {}
    done |= {"weight decay": decay} if part == 1 or decay != {None} else {}
    for name, values in done.items():
        said = decision(run, part, name).split(",")[0]
        plain = {re.sub("[ _`-]", "", str(text).lower()) for text in (smaller(said), *values)}
        assert len(plain) == 1, f"Part {part}: {name} {values}, table {said!r} = {smaller(said)}"


def errors(images, others):
    """Return the MSE, and the PSNR in dB, between images."""
    mse = np.mean((images - others) ** 2, dtype="float64")
    return mse, -10 * np.log10(mse)


def rows(run):
    """Return the images of rows by their label and heading, a deliverable's by its label alone."""
    test, noisy, pca = run.test, run.given(3, "test")[0], run.pca(run.test[:10], [100])[0]
    code, maps = run.output(1, test, 0, 3), np.moveaxis(run.output(2, test[:10], 0, 4), 3, 0)
    worst = test[((run.output(1, test) - test) ** 2).mean(axis=(1, 2)).argsort()[:-6:-1]]
    way = code[0] + np.linspace(0, 1, 10)[:, np.newaxis] * (code[1] - code[0])
    return {
        "1.2 original": test[:10],
        "1.3 (bottleneck|code)": code[:10].reshape(10, 10, 10),
        "1.4 reconstruct": run.output(1, test[:10]),
        "2.2 original": test[:10],
        "2.3 (bottleneck|code)": np.block([[*maps[k : k + 2]] for k in (0, 2, 4, 6)]),
        "2.4 reconstruct": run.output(2, test[:10]),
        "3.1 (original|clean)": run.train[:10],
        "3.2 nois": run.given(3, "train")[0][:10],
        "3.4 (original|clean)": test[:10],
        "3.5 nois": noisy[:10],
        "3.6 denois": run.output(3, noisy[:10]),
        r"PCA\sminus Against PCA": pca - test[:10],
        r"autoencoder\sminus Against PCA": run.output(1, test[:10]) - test[:10],
        "reconstruction Where it fails": run.output(1, worst),
        "the network's code From one digit": run.output(1, way, 3),
        "decoder_2 Layer by layer": np.moveaxis(run.output(2, test[:1], 0, 7)[0], 2, 0)[:10],
        "linear filter Against the best": run.filtered(noisy[:10]),
    }


def test_rows(run):
    for name, images in rows(run).items():
        pattern = ("(?i)" if name[0].isdigit() else "(?is)") + name.replace(" ", ".*")
        found = [row for label, row in run.rows if re.match(pattern, label)]
        assert len(found) == 1, f"{name}: {len(found)} rows, not one, have such a label and heading"
        dots = found[0][0].get_size()[1] // images.shape[2]  # of a pixel, across
        middle = [image.get_array()[dots // 2 :: dots, dots // 2 :: dots] for image in found[0]]
        assert np.shape(middle) == images.shape, f"{name}: {np.shape(middle)}, not {images.shape}"
        wrong = ~(np.abs(middle - images).max(axis=(1, 2)) < 1e-4)
        assert not wrong.any(), f"{name}: image {wrong.argmax() + 1} is another"
        colours = np.array([image.to_rgba(x)[..., :3] for image, x in zip(found[0], middle)])
        hue = colours[..., 0] - colours[..., 2]  # from blue to red
        signed = (hue * images).min() > -0.01 and np.ptp(hue) > 0.5
        right = signed if images.min() < 0 else np.allclose(colours, images[..., None], atol=0.01)
        assert right, f"{name}: not grey from 0 to 1, or, if signed, blue to red"


def curves(run):
    """Return the points of curves, by their label, axes, title and the headings above."""
    scales, test = np.linspace(0, 0.6, 13), run.test
    noise = scales.reshape(-1, 1, 1, 1) * np.random.default_rng(9).standard_normal(test.shape)
    noisy = np.clip(test + noise, 0, 1).astype("float32").reshape(-1, 28, 28)
    for part, number in (1, "1.1"), (2, "2.1"), (3, "3.3"):
        losses = run.fits[part].model.history.history
        yield f"train MSE epoch {number} {number} loss", enumerate(losses["loss"], 1)
        yield f".*valid MSE epoch {number} {number} loss", enumerate(losses["val_loss"], 1)
    yield "PCA MSE many", enumerate((errors(x, test)[0] for x in run.pca(test, range(1, 401))), 1)
    yield "fully MSE How many", [(100, errors(run.output(1, test), test)[0])]
    yield "conv MSE How many", [(392, errors(run.output(2, test), test)[0])]
    for words, made in (".*(auto|net)", lambda x: run.output(3, x)), (".*filter", run.filtered):
        psnr = [errors(x, test)[1] for x in np.split(made(noisy), 13)]
        yield f"{words} PSNR noise Other noise", zip(scales, psnr)


def printed(run):
    """Return the numbers of lines that are printed, by their beginning."""
    test, train, noisy = run.test, run.train, [run.given(3, k)[0] for k in ("train", "test")]
    pca = [errors(images, test) for images in run.pca(test, range(1, 401))]
    fc, conv = (errors(run.output(part, test), test) for part in (1, 2))
    dae, linear = errors(run.output(3, noisy[1]), test), errors(run.filtered(noisy[1]), test)
    for kind, images, inputs in ("training", train, noisy[0]), ("test", test, noisy[1]):
        yield f"Fully connected, {kind}", errors(run.output(1, images), images)
        yield f"PCA with 100 components, {kind}", errors(run.pca(images, [100])[0], images)
        yield f"Convolutional, {kind}", errors(run.output(2, images), images)
        yield f"Denoising, {kind} images(:| with their)", errors(run.output(3, inputs), images)
    yield "Linear filter, test images", linear
    yield "MSE of the noisy test images", errors(noisy[1], test)[:1]
    yield "PCA's error is", [round(pca[99][0] / fc[0], 1)]
    yield "The noisy images' error is", [round(errors(noisy[1], test)[0] / dae[0], 1)]
    yield "The filter's error is", [round(linear[0] / dae[0], 1)]
    weights = [run.fits[part].model.count_params() for part in (1, 2, 3)]
    codes = {"pixels": np.array, "PCA's": lambda x: x @ run.axes[:100].T}
    codes["the network's"] = lambda x: run.output(1, x, 0, 3)
    for name, code in codes.items():
        known, new = (code(images.reshape(-1, 784)) for images in (train, test))
        nearest = ((known**2).sum(axis=1) - 2 * new @ known.T).argmin(axis=1)
        right = run.labels[0][nearest] == run.labels[1]
        yield rf"\| {name}", [known.shape[1], 100 * np.mean(right)]
    worth = [1 + sum(mse > error for mse, _ in pca) for error, _ in (fc, conv, dae)]
    yield r"\| Fully connected \|", [weights[0], 100, *fc, 100, pca[99][0], worth[0]]
    yield r"\| Convolutional \|", [weights[1], 392, *conv, 392, pca[391][0], worth[1]]
    yield r"\| Denoising \|", [weights[2], 3136, *dae, linear[0], worth[2]]


@pytest.mark.parametrize("expected", [curves, printed])
def test_numbers(run, expected):
    lines = [(line, re.findall(r"\d[\d,]*\.?\d*", line)) for line in run.printed.splitlines()]
    said = run.curves if expected is curves else lines
    for name, right in expected(run):
        right, pattern = np.ravel([*right]), "(?i)" + name.replace(" ", ".*")
        found = [some for words, some in said if re.match(pattern, words)]
        for some in found:  # from the end: of the last epochs alone, or behind other numbers
            shown = np.array([str(x).replace(",", "") for x in some][-len(right) :], float)
            asked = right[-len(shown) :]
            wrong = ~np.isclose(shown, asked, 0.01 if "Other noise" in name else 1e-3, 6e-6)
            assert not wrong.any(), f"{name}: {shown[wrong][0]} should be {asked[wrong][0]}"
        whole = max(map(len, found), default=0) >= len(right)
        assert whole, f"{name}: not there, not whole, or with another title, unit or legend"


LIMITS = {"Fully": 0.00099, "Convolutional": 0.00211, "Denoising": 0.00321}  # test errors and 3 %
CLAIMS = [  # words of the text, and whether the saved test errors make them true
    ("nearly five times as large", lambda mse: 4.5 < mse["PCA"] / mse["Fully"] < 5),
    ("more than twice that of Part 1", lambda mse: mse["Convolutional"] > 2 * mse["Fully"]),
    ("less than half the filter's", lambda mse: mse["Denoising"] < mse["Linear"] / 2),
]


def test_saved(run):
    counts = [cell.execution_count for cell in run.code]
    assert counts == [*range(1, len(counts) + 1)], "the cells were not run in order: run them all"
    assert not re.search("'(stderr|error)'", run.said), "an error or a warning is saved: see it"
    for words in "MNIST's.", "(60000, 28", "after 150", *re.findall(".+weights: .+", run.printed):
        assert words in run.said, f"no output says {words!r}: run all, with MNIST, as it is"
    for mse, db in re.findall(r"([\d.]+)(?: per pixel, PSNR | \()([\d.]+) dB", run.said):
        assert abs(float(db) + 10 * np.log10(float(mse))) < 0.05, f"an MSE of {mse} is not {db} dB"
    for part, limit in LIMITS.items():
        error = run.errors.get(part, np.nan)
        assert error < limit, f"{part}: the test error is {error}, not below {limit}"
        gaps = [abs(float(x) - error) for x in re.findall(r"'150 .*?val_loss ([\d.]+)", run.said)]
        assert min(gaps, default=1) < 6e-6, f"{part}: no 150 epochs ended with the printed error"
    rows = re.findall(r"\| (?:Fully|Convolutional|Denoising)[^\\]*\|", run.said)
    assert rows and all(row in run.text for row in rows), f"README's table should have {rows}"


def test_checklist(run):
    links = dict(re.findall(r"\[(\d\.\d) [^\]]*\]\(#(\S+)\)", run.text))
    for number in "1.1 1.2 1.3 1.4 2.1 2.2 2.3 2.4 3.1 3.2 3.3 3.4 3.5 3.6".split(" "):
        title = links.get(number, "none").replace("-", " ")
        below = [cell.outputs for cell in run.code if title in cell.titles]
        right = below and title[:3] <= number <= max(re.findall(r"\d\.\d", title), default="")
        assert right, f"{number}: the checklist leads to no such heading, or no code is below it"
        assert "image/png" in str(below), f"{number}: no picture is saved below it"
    pictures = re.findall("'image/png': '([^']+)'", run.said)
    assert len(pictures) == len({*pictures}), "a picture is saved in two places"


def test_text(run):
    sums = f"{0.25**2} {392 * 784:,} {101 * 784:,} {run.fits[1].rates[50]:.4f}"
    for line in run.text.splitlines():
        for number in re.findall(r"(?<!about )\b(?:0\.\d{4,}|\d[\d,]*,\d\d[1-9])\b", line):
            right = number in run.said + sums or re.search("trial|tried|held-out", line)
            assert right, f"{number} is no output, and its paragraph names no trial: {line}"


@pytest.mark.parametrize("words, true", CLAIMS)
def test_claim(run, words, true):
    assert words in run.text, f"the text says {words!r} no longer: mend, or take out, this claim"
    assert true(run.errors), f"the text says {words!r}, which is no longer so: mend it"


def test_bad_data(run, tmp_path):
    bad = Notebook(run.mnist)
    for bad.mnist in tmp_path / "missing.npz", ROOT / "README.md":
        with pytest.raises(RuntimeError, match="Set MNIST_NPZ to the path"):
            bad.execute()
            pytest.fail(f"{bad.mnist} is taken for MNIST")


MISTAKES = [  # what notices it, a pattern for the text that is right, what stands there instead
    (test_training, (2,), r'"epochs": (\w+)', r'"epochs": \1 // 2'),
    (test_training, (2,), r"\.shuffle\(len\(\w+\)\)", ""),
    (test_fresh_start, (3,), r"^.+seed\(\w+\)\n((.+\n)+.+adam_lr)", r"\1"),
    (test_table, (2,), r"(## Part 2(?s:.+)\| learning rate \| )", r"\g<1>1"),
    (test_rows, (), r'("3\.5 noisy": (\w+), "3\.6 denoised": )\w+', r"\1\2"),
    (test_numbers, (curves,), r'\("loss", "val_loss"\)', '("loss", "loss")'),
    (test_numbers, (printed,), r"return 1 \+ sum", "return sum"),
]


@pytest.mark.parametrize("test, arguments, right, wrong", MISTAKES)
def test_mistake(run, test, arguments, right, wrong):
    changed = Notebook(run.mnist, right, wrong).execute()
    found = [new for new, old in zip(changed.cells, run.cells) if new.source != old.source]
    assert len(found) == 1, f"{right!r} is in {len(found)} cells, not in one: mend MISTAKES"
    with pytest.raises(AssertionError):
        test(changed, *arguments)
        pytest.fail(f"{test.__name__} does not notice {wrong!r} in place of {right!r}")
