"""The saved notebook is what a grader needs: complete, whole and good enough."""

import base64
import io
import itertools
import re

import nbformat
import numpy as np
import pytest
from PIL import Image

from conftest import ROOT, numbers, sections

DELIVERABLES = [f"{part}.{k + 1}" for part, count in ((1, 4), (2, 4), (3, 6)) for k in range(count)]
LARGEST_MSE = {"Fully connected": 0.0010, "Convolutional": 0.0022, "Denoising": 0.0032}


def outputs(cells):
    return [o for cell in cells if cell.cell_type == "code" for o in cell.outputs]


def printed(notebook):
    """All that the notebook printed, and the lines of progress, as one string."""
    texts = [o.get("text") or o.data.get("text/plain", "") for o in outputs(notebook.cells)]
    return "\n".join(texts)


def first_figure(notebook, number):
    found = [c for title, c in sections(notebook).items() if number in numbers(title)]
    assert len(found) == 1, f"{number}: {len(found)} headings name it"
    figures = [o for o in outputs(found[0]) if "image/png" in o.get("data", {})]
    assert figures, f"{number}: no figure below its heading"
    return figures[0]


@pytest.mark.parametrize("number", DELIVERABLES)
def test_deliverable_is_shown(notebook, number):
    figure = first_figure(notebook, number)
    assert number in figure.metadata["image/png"]["alt"], f"{number}: no row or title names it"
    image = Image.open(io.BytesIO(base64.b64decode(figure.data["image/png"])))
    assert image.width >= 1000 and len(image.convert("L").getcolors()) > 10, f"{number}: blank"


def test_every_figure_has_a_description_and_a_text_beside_it(notebook):
    cells = notebook.cells
    for k, cell in enumerate(cells):
        figures = [o for o in outputs([cell]) if "image/png" in o.get("data", {})]
        assert all(figure.metadata["image/png"]["alt"] for figure in figures), cell.id
        beside = {neighbour.cell_type for neighbour in (cells[k - 1], cells[(k + 1) % len(cells)])}
        assert not figures or "markdown" in beside, f"{cell.id}: no text beside the figure"


def test_headings_skip_no_level(notebook):
    lines = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown").splitlines()
    levels = [len(line.split()[0]) for line in lines if line.startswith("#")]
    assert levels[0] == 1 and 1 not in levels[1:]
    assert all(level <= before + 1 for before, level in itertools.pairwise(levels))


def test_first_screen_shows_the_results(notebook):
    """The table below the title is the one at the end."""
    first, *_, last = [
        o.data["text/markdown"]
        for o in outputs(notebook.cells)
        if "text/markdown" in o.get("data", {})
    ]
    assert first == last


def test_parts_show_the_same_test_images(notebook):
    rows = []
    for number in ("1.2", "2.2", "3.4", "3.1"):
        image = Image.open(
            io.BytesIO(base64.b64decode(first_figure(notebook, number).data["image/png"]))
        )
        rows.append(np.array(image.convert("L").crop((165, 50, 1095, 134)), dtype=float))
    *distances, other = [np.mean(np.abs(row - rows[0])) for row in rows[1:]]
    assert max(distances) < 5 < other, "1.2, 2.2 and 3.4 do not show the same images"


def test_checklist_links_to_every_deliverable(notebook):
    (checklist,) = [cell.source for cell in notebook.cells if cell.id == "checklist"]
    links = re.findall(r"\[(\d\.\d) .*?\]\(#(.*?)\)", checklist)
    assert [number for number, _ in links] == DELIVERABLES
    targets = {title.replace(" ", "-"): numbers(title) for title in sections(notebook)}
    assert all(number in targets[target] for number, target in links)


def test_cells_were_executed_in_order(notebook):
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_outputs_are_clean(notebook):
    for output in outputs(notebook.cells):
        assert output.output_type != "error" and output.get("name") != "stderr", output
        assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
        text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
        assert not re.search(r"warning|functional_|0x[0-9a-f]{6}", text, flags=re.IGNORECASE), text
        assert text.count("\n") < 30, text


def test_it_was_the_full_run_on_mnist(notebook):
    text = printed(notebook)
    assert "DO NOT COUNT" not in text and "These are MNIST's." in text
    assert "x_train: (60000, 28, 28), float32, from 0 to 1\n" in text
    assert "x_test: (10000, 28, 28), float32, from 0 to 1\n" in text
    assert re.findall(r"(\d+) epochs in", text) == ["150"] * len(LARGEST_MSE)


def test_printed_errors_agree(notebook):
    """A PSNR is that of the error beside it, and an error that of the last validation."""
    pattern = re.compile(r"^(.+): MSE (\S+) per pixel, PSNR (\S+) dB$", re.MULTILINE)
    errors = pattern.findall(printed(notebook))
    for name, mse, psnr in errors:
        lowest, highest = (10 ** (-(float(psnr) + half) / 10) for half in (0.006, -0.006))
        assert lowest - 6e-7 < float(mse) < highest + 6e-7, f"{name}: {mse} is not {psnr} dB"
    trained = [
        float(mse)
        for name, mse, _ in errors
        if name.endswith(", test images") and name.split(",")[0] in LARGEST_MSE
    ]
    validated = [float(loss) for loss in re.findall(r"val_loss ([\d.]+)", printed(notebook))]
    assert trained == pytest.approx(validated, abs=1e-5)


@pytest.mark.parametrize("name", LARGEST_MSE)
def test_results_are_good(notebook, name):
    *_, table = [o for o in outputs(notebook.cells) if "text/markdown" in o.get("data", {})]
    head, _, *rows = [r.strip("| ").split(" | ") for r in table.data["text/markdown"].splitlines()]
    (row,) = [dict(zip(head, row, strict=True)) for row in rows if row[0] == name]
    pattern = rf"^{name}, test images: MSE (\S+) per pixel, PSNR (\S+ dB)$"
    ((mse, psnr),) = re.findall(pattern, printed(notebook), re.MULTILINE)
    rounded, in_decibels = row["test MSE (PSNR)"].rstrip(")").split(" (")
    assert float(rounded) == pytest.approx(float(mse), abs=5.6e-6) and in_decibels == psnr
    assert f"{row['weights']} weights: " in printed(notebook), "the weights are not those printed"
    assert float(mse) <= LARGEST_MSE[name]
    rival = float(row["best linear method"].split(": ")[1])
    assert name == "Convolutional" or 2 * float(mse) < rival, "no better than its rival"


def test_readme_has_the_table(notebook):
    *_, table = [o for o in outputs(notebook.cells) if "text/markdown" in o.get("data", {})]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for row in table.data["text/markdown"].splitlines():
        assert row in readme, f"the README's table must have the saved run's results: {row}"


def test_file_is_small_enough_to_be_rendered(notebook):
    assert len(nbformat.writes(notebook)) < 700_000
