"""The notebook for the tests: read from its file, and executed here."""

import contextlib
import io
import re
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import nbformat
import pytest

from make_stand_in import save_stand_in

pytest_plugins = ["re_execution"]  # how nbval compares

ROOT = Path(__file__).resolve().parent
matplotlib.use("Agg")


def display(*objects, display_id=None, **options):
    """Print the texts that a cell displays, in place of IPython, which needs a shell for that."""
    for shown in objects:
        print(getattr(shown, "data", shown))
    return display_id and SimpleNamespace(update=display)


def sections(notebook):
    """The notebook's headings, without their #, and the cells below each of them."""
    found, cells = {}, []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            cells = found.setdefault(cell.source.splitlines()[0].lstrip("# "), [])
        cells.append(cell)
    return found


def numbers(title):
    """The deliverables that a heading names: "1.2 to 1.4 …" are 1.2, 1.3 and 1.4."""
    found = re.match(r"(\d)\.(\d)(?: (?:to|and) \1\.(\d))? ", title)
    if not found:
        return []
    part, first, last = found.groups()
    return [f"{part}.{k}" for k in range(int(first), int(last or first) + 1)]


class Run:
    """The notebook's code cells, executed one by one in this process.

    names is their namespace. By a cell's id: saved, its outputs in the file; figures, those
    that it shows now; printed, its text; fits, the arguments and the history of each fit.
    """

    def __init__(self, notebook, mnist):
        self.mnist = mnist
        self.sources = {cell.id: cell.source for cell in notebook.cells}
        self.saved = {cell.id: cell.outputs for cell in notebook.cells if "outputs" in cell}
        self.code = list(self.saved)
        self.numbers = {
            cell.id: numbers(title) for title, cells in sections(notebook).items() for cell in cells
        }
        self.names, self.figures, self.printed, self.fits = {}, {}, {}, {}

    def execute(self, cell, train):
        """Execute a cell; without train, fit only notes its arguments."""
        import keras
        import matplotlib.pyplot as plt

        figures, fits, text, real_fit = [], [], io.StringIO(), keras.Model.fit

        def fit(model, x, **arguments):
            if train:
                history = real_fit(model, x, **arguments).history
            else:
                values = [1 / (epoch + 1) for epoch in range(arguments["epochs"])]
                history = {"loss": values, "val_loss": [2 * value for value in values]}
                for epoch, value in enumerate(values):
                    for callback in arguments.get("callbacks", ()):
                        callback.on_epoch_end(epoch, {"loss": value, "val_loss": 2 * value})
            fits.append(SimpleNamespace(model=model, x=x, history=history, **arguments))
            return SimpleNamespace(history=history)

        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(text):
            patch.chdir(self.mnist.parent)
            patch.setenv("MNIST_NPZ", str(self.mnist))
            patch.setenv("SHORT_RUN_EPOCHS", "2")
            patch.setattr("IPython.display.display", display)
            patch.setattr(keras.Model, "fit", fit)
            patch.setattr(plt, "close", figures.append)
            exec(compile(self.sources[cell], f"cell {cell}", "exec"), self.names)
        for figure in figures:
            plt.close(figure)
        self.figures[cell], self.printed[cell], self.fits[cell] = figures, text.getvalue(), fits

    def figure(self, number):
        """The first figure below the heading of a deliverable."""
        cells = [cell for cell in self.code if number in self.numbers[cell]]
        figures = [figure for cell in cells for figure in self.figures[cell]]
        assert figures, f"{number}: no figure below its heading"
        return figures[0]

    @contextlib.contextmanager
    def changed(self, cell, old, new, part):
        """For a while, have new for old in a cell; if that is code, it, the later cells of a
        part, or one of them, and the table are executed anew, without training."""
        all_there_is = self.sources, self.names, self.figures, self.printed, self.fits
        kept = [dict(one) for one in all_there_is]
        self.sources[cell] = self.sources[cell].replace(old, new)
        try:
            if cell in self.code:
                for other in self.code[self.code.index(cell) :]:
                    if other in (cell, part, "table") or other.startswith(f"{part}-"):
                        self.execute(other, train=False)
            yield
        finally:
            for changed, before in zip(all_there_is, kept):
                changed.clear()
                changed.update(before)


@pytest.fixture(scope="session")
def notebook():
    """The one *_autoencoders.ipynb, whatever names its author put in front."""
    paths = list(ROOT.glob("*_autoencoders.ipynb"))
    names = ", ".join(path.name for path in paths) or "none"
    assert len(paths) == 1, f"keep exactly one *_autoencoders.ipynb in {ROOT}; there is: {names}"
    return nbformat.read(paths[0], as_version=4)


@pytest.fixture(scope="session")
def run(notebook, tmp_path_factory):
    """All of the notebook, in its short run on the stand-in for MNIST."""
    mnist = tmp_path_factory.mktemp("stand_in") / "mnist.npz"
    save_stand_in(mnist)
    run = Run(notebook, mnist)
    for cell in run.code:  # the trainings of "undone" take longest, and change nothing else
        run.execute(cell, train=cell != "undone")
    return run
