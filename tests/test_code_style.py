"""The code of the notebook and of the tests is formatted, and without obvious mistakes."""

import subprocess
import sys

import pytest

from conftest import ROOT


@pytest.mark.parametrize("command", ["format --diff", "check"])
def test_ruff(command):
    ruff = [sys.executable, "-m", "ruff", *command.split(), "--no-cache", "."]
    result = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
