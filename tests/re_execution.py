"""How nbval executes the notebook again: where it needs MNIST, and how it compares numbers."""

import math
import os
import re
import socket

import pytest
from nbval.plugin import IPyNbCell

# nbval compares what a cell prints with what is saved, word for word. Numbers with a decimal
# point, and how many components a code is worth, may differ by this part of their value, or by
# one in the last digit. A PSNR and a percentage hardly move when the error does: they have less.
TOLERANCE, NARROW = 0.025, 0.005
NUMBER = re.compile(r"(?m)(?<![\d.])\d+\.\d+(?![\d.])|(?<=is worth )\d+|(?<=\d \| )\d+(?= \|$)")


def close(one, two, unit):
    """Return whether two printed numbers, strings, agree; unit is the text behind them."""
    part = NARROW if unit.startswith((" dB", " %")) else TOLERANCE
    last_digit = 10 ** -len(one.partition(".")[2])
    return math.isclose(float(one), float(two), rel_tol=part, abs_tol=1.001 * last_digit)


class Printed(str):
    """Text that equals another if its words do and its numbers are close."""

    __hash__ = str.__hash__

    def __eq__(self, other):
        words, mine, others = NUMBER.split(self), NUMBER.findall(self), NUMBER.findall(other)
        return words == NUMBER.split(other) and all(map(close, mine, others, words[1:]))

    def __ne__(self, other):
        return not self == other


exact = IPyNbCell.sanitize
IPyNbCell.sanitize = lambda cell, s: Printed(exact(cell, s)) if isinstance(s, str) else s


def pytest_collection_modifyitems(items):
    """Skip the notebook's own cells where there is no MNIST, or nothing to compare with."""
    cells, reason = [item for item in items if isinstance(item, IPyNbCell)], None
    if cells and not any(cell.cell.get("outputs") for cell in cells):
        reason = "the notebook has no outputs"
    elif cells and not os.environ.get("MNIST_NPZ"):
        import keras

        socket.setdefaulttimeout(15)  # seconds; a network may stay silent for ever
        try:
            keras.datasets.mnist.load_data()  # shows its progress if it downloads
        except Exception as error:
            reason = f"MNIST_NPZ is not set, and Keras has no MNIST ({error})"
    for cell in cells if reason else []:
        cell.add_marker(pytest.mark.skip(reason=f"not executed again: {reason}"))
