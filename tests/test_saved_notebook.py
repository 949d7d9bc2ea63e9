"""The saved notebook is what a grader needs: complete, whole and good enough."""

import base64
import io
import re

import pytest
from conftest import ROOT
from PIL import Image

DELIVERABLES = {  # number: how many axes its figure has
    "1.1": 2,
    "1.2": 10,
    "1.3": 10,
    "1.4": 10,
    "2.1": 2,
    "2.2": 10,
    "2.3": 10,
    "2.4": 10,
    "3.1": 10,
    "3.2": 10,
    "3.3": 2,
    "3.4": 10,
    "3.5": 10,
    "3.6": 10,
}
LARGEST_MSE = {"Fully connected": 0.0010, "Convolutional": 0.0022, "Denoising": 0.0031}


def headings(notebook):
    """The notebook's headings without their #, and the cells below each of them."""
    found, cells = {}, []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            cells = found.setdefault(cell.source.splitlines()[0].lstrip("# "), [])
        cells.append(cell)
    return found


def outputs(notebook):
    return [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]


def printed(notebook):
    """All that the notebook printed, as one string."""
    return "".join(o.text for o in outputs(notebook) if o.output_type == "stream")


@pytest.mark.parametrize("number", DELIVERABLES)
def test_deliverable_is_shown_under_its_heading(notebook, number):
    (cells,) = [cells for title, cells in headings(notebook).items() if title.startswith(number)]
    figures = [
        output
        for cell in cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert figures, f"{number}: no figure below its heading"
    assert f"with {DELIVERABLES[number]} Axes" in figures[0].data["text/plain"]
    assert figures[0].metadata["image/png"]["alt"]
    image = Image.open(io.BytesIO(base64.b64decode(figures[0].data["image/png"])))
    assert image.width >= 1000
    assert len(image.convert("L").getcolors()) > 10, f"{number}: a blank figure"


def test_checklist_links_to_every_deliverable(notebook):
    (checklist,) = [cell.source for cell in notebook.cells if cell.id == "checklist"]
    links = re.findall(r"\| (\d\.\d) \| \[.*?\]\(#(.*?)\)", checklist)
    assert [number for number, _ in links] == list(DELIVERABLES)
    targets = {title.replace(" ", "-") for title in headings(notebook)}
    for number, target in links:
        assert target.startswith(number) and target in targets


def test_cells_were_executed_once_each_in_order(notebook):
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_outputs_are_clean(notebook):
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
        text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
        assert not re.search(r"warning|0x[0-9a-f]{6}", text, flags=re.IGNORECASE), text
        assert text.count("\n") < 30, text


def test_it_was_the_full_run_on_mnist(notebook):
    text = printed(notebook)
    assert "DO NOT COUNT" not in text
    assert "x_train: (60000, 28, 28), float32, from 0 to 1\n" in text
    assert "x_test: (10000, 28, 28), float32, from 0 to 1\n" in text
    assert "5b92582eb909c82a" in text


def test_every_network_was_trained_for_150_epochs(notebook):
    text = printed(notebook)
    assert re.findall(r"(\d+) epochs in", text) == ["150"] * len(LARGEST_MSE)
    assert re.findall(r"(\d+/\d+) \[", text) == ["150/150"] * len(LARGEST_MSE)


@pytest.mark.parametrize("name", LARGEST_MSE)
def test_error_is_small(notebook, name):
    (mse,) = re.findall(rf"^{name}: test MSE (\d\.\d+) per pixel", printed(notebook), re.MULTILINE)
    assert float(mse) <= LARGEST_MSE[name]


def row_of_last_table(notebook, name):
    """The cells of a network's row, by the heads of their columns."""
    *_, table = [
        o.data["text/markdown"] for o in outputs(notebook) if "text/markdown" in o.get("data", {})
    ]
    head, _, *rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
    (row,) = [row for row in rows if row[0] == name]
    return dict(zip(head, row, strict=True))


@pytest.mark.parametrize("name", LARGEST_MSE)
def test_last_table_gives_the_printed_results(notebook, name):
    row = row_of_last_table(notebook, name)
    pattern = rf"^{name}: test MSE (\d\.\d+) per pixel, PSNR (\d+\.\d+ dB)\n150 epochs in (.*)"
    results = re.findall(pattern, printed(notebook), re.MULTILINE)
    assert results == [(row["test MSE"], row["PSNR"], row["training"])]


@pytest.mark.parametrize("name", LARGEST_MSE)
def test_readme_gives_the_saved_results(notebook, name):
    row = row_of_last_table(notebook, name)
    columns = [row[head] for head in ("network", "test MSE", "PSNR", "rival", "its MSE")]
    expected = f"| {' | '.join(columns)} |"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert expected in readme, f"the README's table must have the saved run's results: {expected}"


@pytest.mark.parametrize("name", ["Fully connected", "Denoising"])
def test_network_beats_its_linear_rival(notebook, name):
    row = row_of_last_table(notebook, name)
    assert 2 * float(row["test MSE"]) < float(row["its MSE"])


def test_file_is_small_enough_to_be_rendered(notebook_path):
    assert notebook_path.stat().st_size < 700_000
