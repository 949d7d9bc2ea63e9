"""How nbval executes the notebook again: where it needs MNIST, and how it compares numbers."""

import contextlib
import io
import math
import os
import re

import pytest
from nbval.plugin import IPyNbCell

# nbval compares what a cell prints with what is saved, word for word. Numbers that come
# from a training or another long computation may differ by this part of their value, or
# by one in their last digit: those with a decimal point, and how many components of PCA a
# code is worth. A PSNR and a percentage hardly move when the error does: they have less.
TOLERANCE, NARROW = 0.025, 0.005
NUMBER = re.compile(
    r"(?<![\d.])\d+\.\d+(?![\d.])|(?<=is worth )\d+|(?<=\d \| )\d+(?= \|$)", re.MULTILINE
)


def close(one, two, unit):
    """Return whether two printed numbers, strings, agree; unit is the text behind them."""
    part = NARROW if unit.startswith((" dB", " %")) else TOLERANCE
    last_digit = 10 ** -len(one.partition(".")[2])
    return math.isclose(float(one), float(two), rel_tol=part, abs_tol=1.001 * last_digit)


class Printed(str):
    """Text that equals another if its words do and its numbers are close."""

    __hash__ = str.__hash__

    def __eq__(self, other):
        words = NUMBER.split(self)
        return words == NUMBER.split(other) and all(
            map(close, NUMBER.findall(self), NUMBER.findall(other), words[1:])
        )

    def __ne__(self, other):
        return not self == other


exact = IPyNbCell.sanitize
IPyNbCell.sanitize = lambda cell, text: (
    Printed(exact(cell, text)) if isinstance(text, str) else text
)


def pytest_collection_modifyitems(items):
    """Skip the notebook's own cells where there is no MNIST."""
    cells = [item for item in items if isinstance(item, IPyNbCell)]
    if not cells or os.environ.get("MNIST_NPZ"):
        return
    import keras

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            keras.datasets.mnist.load_data()
    except Exception as error:
        reason = f"not executed again: MNIST_NPZ is not set, and Keras has no MNIST ({error})"
        for cell in cells:
            cell.add_marker(pytest.mark.skip(reason=reason))
