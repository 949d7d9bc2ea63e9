"""The saved notebook is what a grader needs: complete, whole and good enough."""

import base64
import io
import itertools
import re

import nbformat
import pytest
from PIL import Image

from conftest import ROOT, sections

DELIVERABLES = [f"{part}.{k + 1}" for part, count in ((1, 4), (2, 4), (3, 6)) for k in range(count)]
LOSS_CURVES = "1.1", "2.1", "3.3"
LARGEST_MSE = {"Fully connected": 0.0010, "Convolutional": 0.0022, "Denoising": 0.0032}


def outputs(cells):
    return [o for cell in cells if cell.cell_type == "code" for o in cell.outputs]


def printed(notebook):
    """All that the notebook printed, and the lines of progress, as one string."""
    texts = [o.get("text") or o.data.get("text/plain", "") for o in outputs(notebook.cells)]
    return "\n".join(texts)


def first_figure(notebook, number):
    (cells,) = [c for title, c in sections(notebook).items() if title[:3] == number]
    figures = [o for o in outputs(cells) if "image/png" in o.get("data", {})]
    assert figures, f"{number}: no figure below its heading"
    return figures[0]


@pytest.mark.parametrize("number", DELIVERABLES)
def test_deliverable_is_shown(notebook, number):
    figure = first_figure(notebook, number)
    axes = 2 if number in LOSS_CURVES else 10
    assert f"with {axes} Axes" in figure.data["text/plain"], f"{number}: not {axes} axes"
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
    pictures = [first_figure(notebook, n).data["image/png"] for n in ("1.2", "2.2", "3.4")]
    assert len(set(pictures)) == 1, "1.2, 2.2 and 3.4 are not the same picture"


def test_checklist_links_to_every_deliverable(notebook):
    (checklist,) = [cell.source for cell in notebook.cells if cell.id == "checklist"]
    links = re.findall(r"\[(\d\.\d) .*?\]\(#(.*?)\)", checklist)
    assert [number for number, _ in links] == DELIVERABLES
    targets = {title.replace(" ", "-") for title in sections(notebook)}
    assert all(target.startswith(number) and target in targets for number, target in links)


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
    pattern = re.compile(r"^(.+): test MSE (\S+) .*, PSNR (\S+) dB$", re.MULTILINE)
    errors = pattern.findall(printed(notebook))
    for name, mse, psnr in errors:
        lowest, highest = (10 ** (-(float(psnr) + half) / 10) for half in (0.006, -0.006))
        assert lowest - 6e-6 < float(mse) < highest + 6e-6, f"{name}: {mse} is not {psnr} dB"
    trained = [float(mse) for name, mse, _ in errors if name in LARGEST_MSE]
    validated = [float(loss) for loss in re.findall(r"val_loss ([\d.]+)", printed(notebook))]
    assert trained == pytest.approx(validated, abs=1e-5)


@pytest.mark.parametrize("name", LARGEST_MSE)
def test_results_are_good(notebook, name):
    *_, table = [o for o in outputs(notebook.cells) if "text/markdown" in o.get("data", {})]
    head, _, *rows = [r.strip("| ").split(" | ") for r in table.data["text/markdown"].splitlines()]
    (row,) = [dict(zip(head, row, strict=True)) for row in rows if row[0] == name]
    pattern = rf"^{name}: test MSE (\d\.\d+) per pixel, PSNR (\d+\.\d+ dB)$"
    results = re.findall(pattern, printed(notebook), re.MULTILINE)
    assert results == [(row["test MSE"], row["PSNR"])]
    assert f"Total params: {row['weights']} " in printed(notebook), "no summary"
    assert float(row["test MSE"]) <= LARGEST_MSE[name]
    if name != "Convolutional":
        assert 2 * float(row["test MSE"]) < float(row["its MSE"]), "no better than its rival"
    columns = [row[column] for column in ("test MSE", "PSNR", "best linear method", "its MSE")]
    expected = f"| {name} | {' | '.join(columns)} |"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert expected in readme, f"the README's table must have the saved run's results: {expected}"


def test_file_is_small_enough_to_be_rendered(notebook):
    assert len(nbformat.writes(notebook)) < 700_000
