"""The notebook, read from its file, and a way to execute single cells of it."""

from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def notebook_path():
    """The one *_autoencoders.ipynb, whatever names its author put in front."""
    (path,) = ROOT.glob("*_autoencoders.ipynb")
    return path


@pytest.fixture(scope="session")
def notebook(notebook_path):
    return nbformat.read(notebook_path, as_version=4)


@pytest.fixture(scope="session")
def execute(notebook):
    """A function that executes the cells with the given ids and returns their names."""
    sources = {cell.id: cell.source for cell in notebook.cells}

    def execute_cells(*ids, namespace=None):
        namespace = dict(namespace or {})
        for ident in ids:
            exec(compile(sources[ident], f"cell {ident}", "exec"), namespace)
        return namespace

    return execute_cells


@pytest.fixture(scope="session")
def imports(execute):
    return execute("imports")
