"""What the tests share, and how pytest --nbval compares the notebook's outputs."""

import re

import pytest
from nbval.plugin import IPyNbCell

from execution import Notebook, save_stand_in

# Numbers with a decimal point, and how many components a code is worth, may differ by 2.5 %, or by
# one in the last digit; a PSNR and a percentage, which vary less than an error does, by 0.5 %.
NUMBER = re.compile(r"(?m)(?<![\d.])\d+\.\d+(?![\d.])|(?<=is worth )\d+|(?<=\d \| )\d+(?= \|$)")
# Not compared: progress, of which nbval sees the beginning; the largest errors, which vary more.
NOT_COMPARED = re.compile(r"^(epoch 0|\d+ epochs in .*|MSE: .*)$")


class Printed(str):
    """Text, compared by nbval with !=, that differs if its words do, or a number by too much."""

    def __ne__(self, other):
        words, mine, others = NUMBER.split(self), NUMBER.findall(self), NUMBER.findall(other)
        return words != NUMBER.split(other) or not all(map(close, mine, others, words[1:]))


def close(one, two, unit):
    """Return whether two printed numbers, strings, agree; unit is the text behind them."""
    part = 0.005 if unit.startswith((" dB", " %")) else 0.025
    last_digit = 10 ** -len(one.partition(".")[2])
    return float(one) == pytest.approx(float(two), rel=part, abs=1.001 * last_digit)


IPyNbCell.sanitize = lambda _, s: Printed(NOT_COMPARED.sub("", s)) if isinstance(s, str) else s


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The notebook, executed."""
    return Notebook(save_stand_in(tmp_path_factory.mktemp("mnist") / "mnist.npz")).execute()
