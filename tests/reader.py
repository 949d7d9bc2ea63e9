"""The notebook, executed on a small stand-in for MNIST, and what a reader sees of it."""

import ast
import contextlib
import functools
import inspect
import io
import os
import re
import symtable
import time
from pathlib import Path
from types import SimpleNamespace

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest

from make_stand_in import SMALLER
from re_execution import Printed

ROOT = Path(__file__).resolve().parent.parent


def walk(cells):
    """Each line of each cell, with the cell and the headings above, outermost first."""
    above = []
    for cell in cells:
        for line in cell.source.splitlines() or [""]:
            if heading := cell.cell_type == "markdown" and re.match("(#+) +(.+)", line):
                level = len(heading[1])
                above = [pair for pair in above if pair[0] < level] + [(level, heading[2])]
            yield cell, [title for _, title in above], line


def numbers(titles):
    """The deliverables that the innermost heading with a number names: 1.2 to 1.4 are three."""
    for title in titles[::-1]:
        if found := re.match(r"(\d)\.(\d)(?: (?:to|and) \1\.(\d))? ", title):
            part, first, last = found.groups()
            return [f"{part}.{k}" for k in range(int(first), int(last or first) + 1)]
    return []


def smaller(source):
    """Compile code; numbers of images in it shrink as the stand-in for MNIST does."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        called = getattr(getattr(node, "func", None), "attr", type(node).__name__)
        least = {"take": 25, "skip": 25, "Slice": 400, "Assign": 4999}.get(called)
        for part in ast.walk(node) if least else []:
            if isinstance(getattr(part, "value", None), int) and part.value > least:
                part.value //= SMALLER
    return compile(tree, "<cell>", "exec")


def makes_and_uses(source):
    """The names that a cell makes, and those that it takes from others."""
    tables = [top := symtable.symtable(source, "cell", "exec")]
    known = [(s.get_name(), s.is_assigned() or s.is_imported()) for s in top.get_symbols()]
    makes, uses = {name for name, made in known if made}, set()
    for table in tables:
        tables += table.get_children()
        uses |= {s.get_name() for s in table.get_symbols() if table is top or s.is_global()}
    return makes, uses - makes


class Reader:
    """The notebook, of which nothing is known but what it shows and what it gives to fit.

    A fit trains for five epochs, or not at all, and pretends the others. Images are (n, 28, 28),
    from 0 to 1. The linear methods are computed in other ways than in the notebook.
    """

    def __init__(self, notebook, mnist):
        self.mnist, self.names, self.now, self.cells = mnist, {}, 0, []
        self.readme = (ROOT / "README.md").read_text(encoding="utf-8")
        for cell, titles in {id(c): (c, titles) for c, titles, _ in walk(notebook.cells)}.values():
            part = next((int(title[5]) for title in titles if re.match(r"Part \d", title)), None)
            known = {"titles": titles, "numbers": numbers(titles), "part": part, "printed": ""}
            known |= {"outputs": [], "execution_count": None, "figures": [], "fits": []}
            self.cells.append(SimpleNamespace(**known | cell))
        self.code_cells = [cell for cell in self.cells if cell.cell_type == "code"]
        with np.load(mnist) as archive:
            self.truth = {k: archive[f"x_{k}"].astype("float32") / 255 for k in ("train", "test")}
            self.labels = {k: archive[f"y_{k}"] for k in ("train", "test")}

    def display(self, *objects, display_id=None, **_):
        """Note a figure, print a text: in place of IPython's, which needs a shell."""
        for shown in objects:
            if isinstance(shown, dict):
                figure = {"figure": self.closed[-1], "at": display_id, "png": shown["image/png"]}
                self.current.figures.append(SimpleNamespace(**figure))
            else:
                print(getattr(shown, "data", shown))
        return display_id and SimpleNamespace(update=self.display)

    def fit(self, real_fit, train, *arguments, **options):
        """Note what Keras' fit is given; train for few epochs or make up weights, pretend others."""
        given = inspect.signature(real_fit).bind(*arguments, **options)
        given.apply_defaults()
        asked = SimpleNamespace(**given.arguments, model=arguments[0], history={})
        asked.start, done = asked.model.get_weights(), 5 if train else 0

        def tick(epoch, logs):
            self.now += 60
            for callback in asked.callbacks or []:
                if isinstance(callback, keras.callbacks.LambdaCallback):
                    callback.on_epoch_end(epoch, logs)

        if train:
            clock = keras.callbacks.LambdaCallback(on_epoch_end=tick)
            options = {**given.arguments, "epochs": done, "callbacks": [clock], "verbose": 0}
            asked.history = real_fit(options.pop("self"), **options).history
        else:
            rng = np.random.default_rng(1 + sum(len(cell.fits) for cell in self.code_cells))
            asked.model.set_weights([w + 0.02 * rng.standard_normal(w.shape) for w in asked.start])
        asked.end = asked.model.get_weights()
        for name, first in ("loss", 0.2), ("val_loss", 0.3):
            values = asked.history.setdefault(name, [first])
            values += [values[-1] / (2 + k) for k in range(asked.epochs - len(values))]
        for epoch in range(done, asked.epochs):
            tick(epoch, {name: values[epoch] for name, values in asked.history.items()})
        self.current.fits.append(asked)
        return SimpleNamespace(history=asked.history)

    def execute(self, cell, train):
        """Execute a cell; without train, a fit only makes weights of its own."""
        real_fit, text = keras.Model.fit, io.StringIO()
        cell.figures, cell.fits, self.current, self.closed = [], [], cell, []
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(text):
            patch.setenv("MNIST_NPZ", str(self.mnist))
            patch.delenv("SHORT_RUN_EPOCHS", raising=False)
            patch.setattr("IPython.display.display", self.display)
            patch.setattr("IPython.display.update_display", self.display)
            patch.setattr(time, "time", lambda: self.now)
            patch.setattr(os, "dup2", lambda *files: None)  # what the tests say is not hidden
            patch.setattr(keras.Model, "fit", lambda *a, **o: self.fit(real_fit, train, *a, **o))
            patch.setattr(plt, "close", self.closed.append)
            exec(smaller(cell.source), self.names)
        cell.printed = text.getvalue()
        plt.close("all")

    def below(self, place):
        """The code cells of a deliverable, a heading, or a part (to its last one); else, that train."""
        known = [(cell, place in cell.numbers, cell.titles) for cell in self.code_cells]
        cells = [cell for cell, named, ts in known if named or any(t.startswith(place) for t in ts)]
        if place.startswith("Part"):
            return cells[: 1 + max(k for k, cell in enumerate(cells) if cell.numbers)]
        return cells or [cell for cell in self.code_cells if cell.fits and cell.part]

    @contextlib.contextmanager
    def changed(self, place, old, new, seen):
        """For a while, have new for old in the one cell, below a heading, that has it, or README.

        What hangs on it, and is needed for what is seen below a heading, is executed anew.
        """
        cells, names = [dict(vars(cell)) for cell in self.cells], dict(self.names)
        readme = self.readme
        found = [c for c in self.cells if any(t.startswith(place) for t in c.titles)]
        found = [cell for cell in found if old and old in cell.source]
        if old and place == "README":
            self.readme = readme.replace(old, new)
        if old and not found and self.readme == readme:
            pytest.skip(f"{old!r} is not there: the notebook says it in other words")
        assert len(found) < 2, f"{len(found)} cells below {place!r} have {old!r}"
        try:
            for cell in found:
                cell.source, stale = cell.source.replace(old, new), set()
                known = [(other, *makes_and_uses(other.source)) for other in self.code_cells]
                needed, wanted = {id(cell)}, self.below(seen)
                for other, makes, uses in known[::-1]:
                    if other in wanted or makes & needed:
                        needed |= {id(other), *uses}
                for other, makes, uses in known:
                    if other is cell or (uses & stale and id(other) in needed):
                        self.execute(other, train=False)
                        stale |= makes
            yield
        finally:
            self.readme = readme
            self.names.clear()  # the dictionary stays, since functions hold it
            self.names.update(names)
            for cell, before in zip(self.cells, cells):
                vars(cell).update(before)
            for fit in (fit for cell in self.code_cells if cell.part for fit in cell.fits):
                fit.model.set_weights(fit.end)

    @property
    def printed(self):
        return "\n".join(cell.printed for cell in self.code_cells)

    @property
    def saved(self):
        """The texts in the saved outputs."""
        data = [o.get("data", o) for cell in self.code_cells for o in cell.outputs]
        kinds = ("text", "text/markdown", "text/plain", "ename")
        return "\n".join(next(d[kind] for kind in kinds if kind in d) for d in data)

    def trained(self, part):
        """What the one training of a part was given, and what it left."""
        fits = [fit for cell in self.code_cells if cell.part == part for fit in cell.fits]
        assert len(fits) == 1, f"Part {part}: {len(fits)} trainings, not one"
        return fits[0]

    def from_seed(self, fit, seed):
        """Whether a training begins with a network that is made right after the seed is set."""
        keras.utils.set_random_seed(seed)
        new = [keras.Input(fit.model.input_shape[1:])]
        for la in fit.model.layers:  # a Lambda has a function, and no weights
            new.append(la if hasattr(la, "function") else la.from_config(la.get_config()))
        return all(map(np.array_equal, fit.start, keras.Sequential(new).get_weights()))

    def rates(self, fit):
        """The learning rate at the start, after 1/2 and 95 % of a fit's epochs, and at their end."""
        optimizer, found, now = fit.model.optimizer, [], int(fit.model.optimizer.iterations)
        for share in (0, 0.5, 0.95, 1):
            optimizer.iterations.assign(share * fit.epochs * len(fit.x))
            found.append(float(optimizer.learning_rate))
        optimizer.iterations.assign(now)
        return found

    def arrays(self, dataset):
        """All inputs and targets of a dataset of batches, in its order."""
        batches = zip(*dataset.as_numpy_iterator())
        return [np.concatenate(part).reshape(-1, 28, 28) for part in batches]

    def noisy(self, which):
        """The noisy training or test images that the third network was given, in MNIST's order."""
        fit = self.trained(3)
        inputs, targets = self.arrays(fit.x if which == "train" else fit.validation_data)
        place = {target.tobytes(): k for k, target in enumerate(targets)}
        order = [place.get(image.tobytes()) for image in self.truth[which]]
        assert None not in order, f"Part 3: the targets are not the clean {which}ing images"
        return inputs[order]

    def output(self, part, images):
        """What the network of a part makes of images."""
        model = self.trained(part).model
        return np.array(model(images.reshape(-1, *model.input_shape[1:]))).reshape(images.shape)

    def code(self, part, images, layer=None):
        """The values of a layer for images, or of the bottleneck: layer 3 of Part 1, 4 of Part 2."""
        model = self.trained(part).model
        found = model.get_layer(layer) if layer else model.layers[part + 1]
        encoder = keras.Model(model.inputs[0], found.output)
        return np.array(encoder(images.reshape(-1, *model.input_shape[1:])))

    @functools.cached_property
    def components(self):
        """The mean image and all principal axes of the training images."""
        vectors = self.truth["train"].reshape(-1, 784).astype("float64")
        _, _, axes = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
        return vectors.mean(axis=0), axes.T

    def pca(self, images, count=100):
        """What PCA with so many components makes of images."""
        mean, axes = self.components
        vectors = mean + (images.reshape(-1, 784) - mean) @ axes[:, :count] @ axes[:, :count].T
        return np.clip(vectors, 0, 1).reshape(images.shape)

    def linear(self, images):
        """What the best linear filter makes of images."""
        vectors = self.noisy("train").reshape(-1, 784).astype("float64")
        design, clean = np.column_stack([vectors, np.ones(len(vectors))]), self.truth["train"]
        weights = np.linalg.solve(design.T @ design, design.T @ clean.reshape(-1, 784))
        filtered = images.reshape(-1, 784) @ weights[:-1] + weights[-1]
        return np.clip(filtered, 0, 1).reshape(images.shape)

    def error(self, method, which="test"):
        """The error on all training or test images of a part, or of "pca", "linear", "noise"."""
        truth = self.truth[which]
        given = self.noisy(which) if method in (3, "linear", "noise") else truth
        methods = {"pca": self.pca, "linear": self.linear, "noise": lambda images: images}
        made = methods[method](given) if method in methods else self.output(method, given)
        return float(np.mean(np.square(made - truth), dtype="float64"))

    @functools.cached_property
    def pca_errors(self):
        """The test error of PCA with 1 to 400 components."""
        test = self.truth["test"]
        return [np.mean(np.square(self.pca(test, k) - test)) for k in range(1, 401)]

    def told(self, pattern, text=None):
        """The numbers that one printed line says, where it matches the pattern."""
        found = re.findall(pattern, text or self.printed, re.MULTILINE)
        assert len({*found}) == 1, f"{len({*found})} different lines, not one, match {pattern!r}"
        return [float(x.replace(",", "")) for x in re.findall(r"\d[\d,]*(?:\.\d+)?", str(found[0]))]

    def figure(self, place):
        """The first figure of a deliverable, or below a heading that begins with place."""
        figures = [figure.figure for cell in self.below(place) for figure in cell.figures]
        assert figures, f"{place}: no figure below its heading"
        return figures[0]

    def shows(self, place, label, images, limit=None):
        """Whether the row with this label shows these images, drawn as is right.

        That is: in line, every pixel as a square of dots, grey from 0 to 1, or blue to red up to
        a limit of signed values ("own": the 99th percentile of their size), which stands there.
        """
        figure, rows, labels = self.figure(place), {}, {}
        for image in figure.images:
            rows.setdefault(image.oy, []).append(image)
        for text in (text for text in figure.texts if text.get_text() != figure.get_suptitle()):
            labels[text.get_text()] = max(low for low in rows if low < text.get_position()[1])
        found = [text for text in labels if re.search(label, text, re.IGNORECASE | re.DOTALL)]
        assert len(found) == 1, f"{place}: {len(found)} rows for {label!r}, of {[*labels]}"
        here, drawn = f"{place}: row {found[0]!r}", rows[labels[found[0]]]
        assert len(drawn) == len(images), f"{here} has {len(drawn)} images, not {len(images)}"
        gaps, lefts = {*np.diff([one.ox for one in drawn])}, {row[0].ox for row in rows.values()}
        assert len(gaps) == len(lefts) == 1, f"{here} is not in line"
        dots = drawn[0].get_size()[1] // images.shape[2]  # of a pixel
        large = images.repeat(dots, axis=1).repeat(dots, axis=2)
        most = np.percentile(np.abs(large), 99) if limit == "own" else limit
        colours, *limits = ("RdBu_r", -most, most) if limit else ("gray", 0, 1)
        written = re.search(r"(\S+) to (\S+)$", found[0].replace("−", "-"))
        right = written and np.allclose([*map(float, written.groups())], limits, rtol=0.06)
        assert right, f"{here} does not name its limits, {limits}"
        for k, (one, image) in enumerate(zip(drawn, large), start=1):
            values = np.ma.filled(one.get_array(), np.nan)
            assert values.shape == image.shape, f"{here}: a pixel is no square of dots"
            lines = np.isnan(values)  # between the tiles
            right = lines.mean() < (0.1 if limit else 1e-3)
            right = right and np.allclose(values[~lines], image[~lines], atol=1e-4)
            assert right, f"{here}: image {k} is another"
            right = one.get_cmap().name == colours and np.allclose(one.get_clim(), limits, 0.02)
            assert right, f"{here} is drawn in {one.get_cmap().name}, limits {one.get_clim()}"
        return True

    def panels(self, place):
        """How many panels a figure of curves has, if each has what a reader needs."""
        for axes in self.figure(place).axes:
            here, name = f"{place}, panel {axes.get_title()!r}", axes.get_ylabel()
            right = re.search("(MSE|squared error) per pixel|PSNR", name) and "entropy" not in name
            assert right and axes.get_xlabel(), f"{here}: the y axis says {name!r}, or x nothing"
            log = "log" in axes.get_title() + name or place.startswith("How many")
            assert log == (axes.get_yscale() == "log"), f"{here}: the y axis is {axes.get_yscale()}"
            named = [c for c in axes.get_lines() if not c.get_label().startswith("_")]
            styles = {(c.get_linestyle(), c.get_marker()) for c in named}
            assert len(styles) == len(named), f"{here}: curves are told apart by colour alone"
            legend = axes.get_legend().get_texts() if axes.get_legend() else []
            assert len(legend) == len(named), f"{here}: {len(legend)} of {len(named)} in the legend"
        return len(self.figure(place).axes)

    def curve(self, place, label, x, y, panel=0, off=1e-3):
        """Whether the curve with this label, in a panel, goes through these points."""
        axes = self.figure(place).axes[panel]
        curves = [c for c in axes.get_lines() if re.search(label, c.get_label(), re.IGNORECASE)]
        here = f"{place}, panel {axes.get_title()!r}: {len(curves)} curves for {label!r}"
        assert len(curves) == 1, here
        last = int((re.search(r"last (\d+)", axes.get_title()) or [0, len(x)])[1])
        factor, shown = 1000 if "× 1000" in axes.get_ylabel() else 1, curves[0].get_xydata()
        x, y = np.array(x[-last:]), np.array(y[-last:]) * factor
        assert np.array_equal(shown[:, 0], x), f"{here}, but not from {x[0]} to {x[-1]}"
        wrong = ~np.isclose(shown[:, 1], y, rtol=off, atol=2e-6)
        assert not wrong.any(), f"{here}: {shown[wrong][0]} should be at {y[wrong][0]}"
        return True

    def tried(self):
        """The trainings at the end: each with the label and the height of its point."""
        axes, points, found = self.figure("Two decisions").axes[0], {}, []
        for line in axes.get_lines():
            points[round(line.get_ydata()[0]), line.get_marker()] = line.get_xdata()[0] / 1000
        texts = [text.get_text().replace("−", "-") for text in axes.get_yticklabels()]
        labels = dict(zip(axes.get_yticks(), texts))
        for k, fit in enumerate(f for cell in self.code_cells if not cell.part for f in cell.fits):
            fit.label, fit.seed = labels[k // 3], k % 3 + 1
            fit.point = points.get((k // 3, f"${fit.seed}$"))
            fit.number = {word: int(n) for word, n in re.findall(r"(of|bias) (-?\d+)", fit.label)}
            found.append(fit)
        assert len(found) == len(points) == 3 * len(labels), "Two decisions: not three points a row"
        return found

    def known(self):
        """The names that an expression in the tables may use."""
        methods = {k: getattr(self, k) for k in vars(type(self)) if not k.startswith("__")}
        modules = {"np": np, "keras": keras, "re": re, "Printed": Printed, "ROOT": ROOT}
        return {**modules, **methods, **self.truth, "run": self}
