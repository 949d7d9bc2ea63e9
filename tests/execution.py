"""The notebook: as it is saved, and as it runs in seconds, on small images and without training."""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import keras
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from keras.tree import map_structure

ROOT = Path(__file__).resolve().parent.parent
SMALLER = 50  # the stand-in for MNIST has so many times fewer images


def save_stand_in(path):
    """Save an mnist.npz of grey squares in black frames, for shifts; the test set is brighter."""
    rng, file = np.random.default_rng(0), {}
    for name, count, grey in [("train", 60000, 0.2), ("test", 10000, 0.7)]:
        squares = np.clip(rng.normal(grey, 0.3, (count // SMALLER, 26, 26)), 0, 1)
        file[f"x_{name}"] = np.pad(255 * squares, ((0, 0), (1, 1), (1, 1))).astype("uint8")
        file[f"y_{name}"] = rng.integers(0, 10, len(squares), dtype="uint8")
    np.savez(path, **file)
    return path


def smaller(source):
    """Divide numbers from 1,000 on by SMALLER, those in strings too, but no keyword arguments."""
    return re.sub(r"(?<![\w.=])\d[\d_]{3,}\b", lambda n: str(int(n[0]) // SMALLER), source)


class Notebook:
    """The notebook, if need be with something wrong in place of a pattern.

    said: the saved outputs; text: that of the notebook and README; when executed: the last
    fit of each part, and what was printed and drawn. Images are (n, 28, 28), from 0 to 1.
    """

    def __init__(self, mnist, right="(?!)", wrong=""):
        paths, titles = [*ROOT.glob("*_autoencoders.ipynb")], []
        assert len(paths) == 1, f"keep exactly one *_autoencoders.ipynb in {ROOT}, not {len(paths)}"
        self.cells, self.text = nbformat.read(paths[0], as_version=4).cells, ""
        for cell in self.cells:
            cell.source = re.sub(right, wrong, cell.source)
            if cell.cell_type == "markdown":
                self.text += cell.source + "\n"
                for marks, title in re.findall("(?m)^(#+) (.+)", cell.source):
                    titles = [*titles[: len(marks) - 1], title]
            cell.titles = titles  # all headings above
            cell.part = next((int(t[5]) for t in titles if re.match(r"Part \d", t)), None)
        self.code = [cell for cell in self.cells if cell.cell_type == "code"]
        self.said = str([cell.outputs for cell in self.code])
        found = re.findall(r"([A-Z]\w+)[\w ]*, test images: MSE ([\d.]+)", self.said)
        self.errors = {name: float(mse) for name, mse in found[::-1]}  # by the name's first word
        self.text += (ROOT / "README.md").read_text(encoding="utf-8")
        self.mnist, self.change, self.names, self.fits = mnist, (right, wrong), {}, {}
        self.rows, self.curves, self.printed, self.interrupted = [], [], "", False
        with np.load(mnist) as file:
            self.train, self.test = (file[f"x_{k}"] / np.float32(255) for k in ("train", "test"))
            self.labels = file["y_train"], file["y_test"]
        self.axes = np.linalg.svd((self.train - self.train.mean(axis=0)).reshape(-1, 784))[2]  # PCA

    def execute(self, cells=None):
        """Execute cells, or all but the eighteen short trainings, which only nbval executes."""
        most = [cell for cell in self.code if "Two decisions tried again" not in cell.titles]
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as text:
            patch.setenv("MNIST_NPZ", str(self.mnist))
            patch.delenv("SHORT_RUN_EPOCHS", raising=False)
            patch.setattr("IPython.display.display", self.display)
            patch.setattr("IPython.display.update_display", self.display)
            patch.setattr(plt.Figure, "savefig", lambda *some, **_: self.save(*some))
            patch.setattr(keras.datasets.mnist, "load_data", lambda: pytest.fail("a download"))
            patch.setattr(keras.Model, "fit", lambda *some, **more: self.fit(*some, **more))
            patch.setattr(keras.Model, "predict", lambda m, x, **_: map_structure(np.array, m(x)))
            for self.cell in cells or most:
                exec(compile(smaller(self.cell.source), str(self.cell.titles), "exec"), self.names)
        self.printed += text.getvalue()
        plt.close("all")
        return self

    def display(self, *things, **_):
        """Print what is displayed, if it is text."""
        print(*(getattr(thing, "data", "") for thing in things))
        return SimpleNamespace(update=self.display)

    def save(self, figure, file):
        """Note a figure's rows, of figimage, and curves, by label and heading; save a pixel."""
        for text in figure.texts:  # y in dots; the title's, a share of the height, is below 1
            y, name = text.get_position()[1], f"{text.get_text()} {self.cell.titles}"
            row = [image for image in figure.images if 1 < y - image.oy < image.get_size()[0]]
            self.rows += [(name, row)] if row else []
        for axes in figure.axes:
            name = f"{axes.get_ylabel()}, {axes.get_xlabel()}, {figure.get_suptitle()}"
            factor = [1, float(re.search(r"× (\d+)|$", axes.get_ylabel())[1] or 1)]
            for line in axes.lines if axes.get_legend() else []:
                points = (line.get_xydata() / factor).ravel()
                self.curves.append((f"{line.get_label()}, {name}, {self.cell.titles}", points))
        plt.imsave(file, [[0]], format="png")

    def fit(self, model, x, y=None, batch_size=None, epochs=1, verbose=None, callbacks=(),
            validation_split=0, validation_data=None, **more):  # fmt: skip
        """Note what Keras' fit is given, in batches; make up losses, and weights in the end."""
        fit = SimpleNamespace(model=model, epochs=epochs, rates=[], more=more, cell=self.cell)
        fit.data, fit.start = {"train": x, "test": validation_data}, model.get_weights()
        fit.batch, self.fits[self.cell.part] = next(x.as_numpy_iterator()), fit
        rng, scale = np.random.default_rng(30 + len(self.fits)), 0.01 * len(self.fits)
        sizes = [0.3 if w.ndim == 1 else w[..., 0].size ** -0.5 for w in fit.start]
        callbacks = keras.callbacks.CallbackList(callbacks, add_history=True, model=model)
        callbacks.on_train_begin()
        for epoch in range(epochs):
            model.optimizer.iterations.assign(epoch * len(x))
            callbacks.on_epoch_begin(epoch)
            fit.rates.append(float(model.optimizer.learning_rate))
            if epoch == epochs - 1:
                model.set_weights([rng.normal(0, s, w.shape) for s, w in zip(sizes, fit.start)])
                fit.end = model.get_weights()
            done = epoch / 150  # halfway, val_loss is least: a lure for early stopping
            logs = {"loss": scale * (2 - done), "val_loss": scale * (1 + (done - 0.5) ** 2)}
            callbacks.on_epoch_end(epoch, logs)
        if self.interrupted:
            raise KeyboardInterrupt
        callbacks.on_train_end()
        return model.history

    def given(self, part, name):
        """Return inputs and targets of "train" or "test" in MNIST's order, found by their sums."""
        batches, known = self.fits[part].data[name].as_numpy_iterator(), getattr(self, name)
        inputs, targets = (np.concatenate(some).reshape(-1, 28, 28) for some in zip(*batches))
        ink, right = (images.sum(axis=(1, 2), dtype="float64") for images in (targets, known))
        whole = len(ink) == len(right) and np.allclose(np.sort(ink), np.sort(right))
        assert whole, f"Part {part}: not every {name} image is a target once an epoch"
        order = np.argsort(ink)[np.argsort(np.argsort(right))]
        return inputs[order], targets[order]

    def output(self, part, x, first=0, last=None):
        """Return what layers of a part make of x; without last, images."""
        model = self.fits[part].model
        x = x if first else x.reshape(-1, *model.input_shape[1:])
        made = np.array(keras.Sequential(model.layers[first:last])(x))
        return made if last else made.reshape(-1, 28, 28)

    def pca(self, images, counts):
        """Compute anew what PCA makes of images, for each count of components."""
        mean, axes = self.train.mean(axis=0).ravel(), self.axes
        code = (images.reshape(-1, 784) - mean) @ axes.T
        return [np.clip(code[:, :k] @ axes[:k] + mean, 0, 1).reshape(-1, 28, 28) for k in counts]

    def filtered(self, images):
        """Compute anew what the best linear filter makes of images."""
        noisy = np.insert(self.given(3, "train")[0].reshape(-1, 784), 0, 1, axis=1)
        weights = np.linalg.lstsq(noisy, self.train.reshape(-1, 784))[0]
        clean = np.insert(images.reshape(-1, 784), 0, 1, axis=1) @ weights
        return np.clip(clean, 0, 1).reshape(-1, 28, 28)
