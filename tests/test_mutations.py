"""A notebook with a mistake does not pass: each of these must turn a test red."""

import copy
import json
import re
from pathlib import Path

import pytest
from nbformat import from_dict

import test_results
import test_saved_notebook
from re_execution import Printed

LINES = (Path(__file__).parent / "mistakes.txt").read_text(encoding="utf-8").splitlines()
MISTAKES = [line for line in LINES if line and not line.startswith("#")]


def spoilt(notebook, ident, old, new):
    """A copy of the notebook where the cell's text in the file has new for the pattern old."""
    notebook = copy.deepcopy(notebook)
    (k,) = [k for k, cell in enumerate(notebook.cells) if cell.id == ident]
    text, count = re.subn(old, new, json.dumps(notebook.cells[k], sort_keys=True))
    assert count, f"{old} is not in cell {ident}"
    notebook.cells[k] = from_dict(json.loads(text))
    return notebook


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda line: line.split(" | ")[0].strip())
def test_mistake_is_noticed(run, notebook, mistake):
    test, part, cell, old, new = (field.strip() for field in f"{mistake} ".split(" | "))
    name, *arguments = test.split()
    if part == "file":
        wrong = spoilt(notebook, cell, old, new)
        with pytest.raises(AssertionError):
            getattr(test_saved_notebook, f"test_{name}")(wrong, *arguments)
    else:
        assert old in run.sources[cell]
        with run.changed(cell, old, new, part), pytest.raises(AssertionError):
            getattr(test_results, f"test_{name}")(run, *arguments)


def test_tolerance_of_the_re_execution():
    saved = Printed("60000 images: MSE 0.00100, PSNR 30.00 dB, is worth 268")
    assert saved == "60000 images: MSE 0.00102, PSNR 30.10 dB, is worth 274"
    table = Printed(
        "| Denoising | 0.00312 (25.06 dB) | linear filter: 0.00688 | 137 |\n| PCA with 100: |"
    )
    assert table == table.replace("137", "139") and table != table.replace("137", "147")
    assert table != table.replace("100", "101")
    for wrong in [("0.00100", "0.00103"), ("30.00", "30.20"), ("268", "280"), ("60000", "60001")]:
        assert saved != saved.replace(*wrong), wrong
