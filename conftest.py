"""The notebook for the tests, whatever names its author put in front of *_autoencoders.ipynb."""

import matplotlib
import nbformat
import pytest

matplotlib.use("Agg")
pytest_plugins = ["re_execution"]  # how nbval compares


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """All of the notebook, with short trainings on the stand-in for MNIST."""
    from make_stand_in import save_stand_in
    from reader import ROOT, Reader

    paths = list(ROOT.glob("*_autoencoders.ipynb"))
    assert len(paths) == 1, f"keep exactly one *_autoencoders.ipynb in {ROOT}, not {len(paths)}"
    save_stand_in(mnist := tmp_path_factory.mktemp("stand_in") / "mnist.npz")
    run = Reader(nbformat.read(paths[0], as_version=4), mnist)
    for cell in run.code_cells:
        run.execute(cell, train=cell.part is not None)
    return run
