"""The code of the notebook and of the tests is formatted, and without obvious mistakes."""

import subprocess
import sys

from reader import ROOT


def test_ruff():
    for command in (["format", "--diff"], ["check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", "."]
        result = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"Style: ruff says\n{result.stdout}{result.stderr}"
