"""The notebook is what must_be.txt and numbers.txt say; mistakes.txt must turn the tests red."""

import base64
import io
import itertools
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from nbformat import from_dict
from PIL import Image

from reader import walk

PARTS = {1: ("Fully connected", "1.1"), 2: ("Convolutional", "2.1"), 3: ("Denoising", "3.3")}
TABLE, NUMBERS, MISTAKES = (
    [line for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    for path in map(Path(__file__).with_name, ("must_be.txt", "numbers.txt", "mistakes.txt"))
)
SHORT = "\n".join(line.removeprefix("let ") for line in TABLE if line.startswith("let "))
# What is looked at, for which part, and how: one line of must_be.txt, or three with "Part *".
LINES = {
    fields[0].replace("*", str(part)): (part, *fields[1:], *["True", "0"][len(fields) - 2 :])
    for fields in ([*map(str.strip, line.split(" ; "))] for line in TABLE if " ; " in line)
    for part in (PARTS if "*" in fields[0] else [0])
}
WORDS = "four|five|six|seven|eight|nine|ten|eleven|twelve|sixteen|(?:twen|thir|fif|eigh)ty|hundred"
NUMBER = re.compile(
    r"(?:\b(?:less than|fewer than|more than|nearly|almost) )?(?:\b(?:an?|the) )?(?<![\w.,])"
    rf"(?:\d+(?:,\d{{3}})*(?:\.\d+)?(?: %)?|twice|two and a half|(?:two|three) times|(?:"
    rf"(?:two|three|{WORDS}) )?(?:half|(?<=a )third|thirds|quarter|"
    rf"fifth|eighth|tenth|hundredth)s?|{WORDS})(?!\w)",
    re.IGNORECASE,
)


def test_all_cells_were_run_in_order(run):
    counts = [cell.execution_count for cell in run.code_cells]
    assert any(counts), "the notebook has no outputs: run all its cells, and save it"
    assert counts == [*range(1, len(counts) + 1)], "the cells were not run in order: run them all"


@pytest.mark.parametrize("what", LINES)
def test_it_is_so(run, what):
    part, shown, expected, off = LINES[what]
    if what.startswith(("Saved", "README")) and not run.saved:
        pytest.skip("the notebook has no outputs")
    names = run.known() | {"part": part}
    if part:
        names |= dict(zip(("fit", "name", "loss"), (run.trained(part), *PARTS[part])))
    exec(SHORT, names)
    shown, expected = eval(shown, names), eval(expected, names)
    right = shown == expected
    if off != "0":  # of the value, or absolute
        rtol, atol = (float(off[:-1]) / 100, 3e-6) if "%" in off else (0, np.array(eval(off)))
        right = np.shape(shown) == np.shape(expected)
        right = right and np.allclose(shown, expected, rtol, 1.01 * atol)
    said = f"it is {str(shown)[:300]}, not {str(expected)[:300]}"
    assert right, f"{what}: {'that is not so' if expected is True else said}"


def title_of(picture):
    """The first block of dark dots from above, cut out."""
    lines = (dark := picture < 128).any(axis=1)
    block = dark[(top := lines.argmax()) : top + lines[top:].argmin()]
    columns = np.flatnonzero(block.any(axis=0))
    return block[:, columns[0] : columns[-1] + 1]


def test_saved_pictures(run):
    """Each has the title and the labels that its code draws; alike are rows that must be alike."""
    outputs = [o for c in run.code_cells for o in c.outputs if "image/png" in o.get("data", {})]
    figures = [(cell, figure) for cell in run.code_cells for figure in cell.figures]
    figures.sort(key=lambda pair: pair[1].at is None)  # what the end shows on top comes first
    said = f"{len(outputs)} pictures are saved, but the code draws {len(figures)}: run it again"
    assert len(outputs) in (0, len(figures)), said
    rows = []
    for (cell, now), output in zip(figures, outputs):
        here, title = f"{cell.titles[-1]}: the saved picture", now.figure.get_suptitle()
        alt = output.metadata.get("image/png", {}).get("alt", "")
        assert alt.startswith(f"{title}. "), f"{here} is described as {alt!r}"
        files = now.png, base64.b64decode(output.data["image/png"])
        colours = [np.array(Image.open(io.BytesIO(file)).convert("RGB"), int) for file in files]
        grey = all(image.get_cmap().name == "gray" for image in now.figure.images)
        vivid = all(np.abs(p[..., 0] - p[..., 2]).max() > 100 for p in colours)
        assert vivid or grey, f"{here}, or what its code draws, is not red and blue"
        drawn, saved = (picture.mean(axis=2) for picture in colours)
        one, other = title_of(drawn), title_of(saved)
        right = one.shape == other.shape and np.mean(one != other) < 0.02
        assert right, f"{here} has another title than {title!r}"
        images = now.figure.images if drawn.shape == saved.shape else []
        left = min([image.ox for image in images], default=0)
        for image in (image for image in images if image.ox == left):
            place = slice(len(drawn) - image.oy - image.get_size()[0], len(drawn) - image.oy)
            wrong = np.mean((drawn[place, :left] < 128) != (saved[place, :left] < 128))
            signed = image.get_cmap().name != "gray"  # with other limits in the label
            assert signed or wrong < 0.001, f"{here} has another label at a row"
            rows.append((here, *(picture[place, left:] for picture in (drawn, saved))))
    for (here, one, saved), (there, other, saved_other) in itertools.combinations(rows, 2):
        if one.shape == other.shape:
            now, then = (np.abs(a - b).max() < 9 for a, b in ((one, other), (saved, saved_other)))
            assert now == then, f"{here}: a row is {'' if then else 'un'}like one of {there}"


def is_true(said, expression, names):
    """Whether a number in the text is so: a condition holds, or the value rounds to the number."""
    value, digits = eval(expression, names), said.removesuffix(" %").replace(",", "")
    off = 0.51 * 10.0 ** -len(digits.partition(".")[2])
    return value if isinstance(value, (bool, np.bool)) else abs(float(digits) - value) <= off


def test_numbers_in_the_text(run):
    """Every number that the text or the README says is in numbers.txt, and is so."""
    if not run.saved:
        pytest.skip("the notebook has no outputs")
    names, meanings, wrong = run.known(), [], []
    exec(SHORT, names)
    for line in NUMBERS:
        if line.startswith("["):
            heading = line.strip("[]")
        elif line.startswith("also: "):
            meanings += [(heading, said, "True") for said in line[6:].split(", ")]
        elif line.startswith("let "):
            exec(line[4:], names)
        else:
            meanings.append((heading, *line.split(" = ", 1)))
    readme = SimpleNamespace(cell_type="markdown", source=run.readme)
    tables = ("#", "| after", "| Fully", "| Convolutional", "| Denoising")
    for cell, titles, line in [*walk(run.cells), *walk([readme])]:
        text = cell.cell_type == "markdown" and not line.startswith(tables)
        plain = re.sub(r"`[^`]*`|\[[^\]]*\]\([^)]*\)|\*\*", "", line) if text else ""
        for found in NUMBER.finditer(plain):
            said, here = re.sub(r"\b(an?|the) (?!half)", "", found[0].lower()), titles[1:] or titles
            listed = [m[1:] for m in meanings if any(title.startswith(m[0]) for title in here)]
            rest = f"{said}{plain[found.end() :]} ".lower()  # it may be listed with the next words
            meant = [e for n, e in listed if f"{n} ".startswith(f"{said} ") and rest.startswith(n)]
            if not any(is_true(said, expression, names) for expression in meant):
                context = plain[max(0, found.start() - 40) : found.end() + 20]
                wrong.append(f"{titles[-1]}: {said!r} in {context!r}")
    assert not wrong, "numbers that are not in numbers.txt, or not so:\n" + "\n".join(wrong)


def spoil(run, place, old, new):
    """Put new for the pattern old into what is saved below a heading; "picture" copies a picture."""
    if old == "picture":
        there = [o for c in run.code_cells if new in " ".join(c.titles) for o in c.outputs]
        data = next(o.data["image/png"] for o in there if "image/png" in o.get("data", {}))
        old, new = r'"image/png": "[^"]+"', json.dumps({"image/png": data})[1:-1]
    for cell in (cell for cell in run.code_cells if any(t.startswith(place) for t in cell.titles)):
        text, count = re.subn(old, lambda _: new, json.dumps([cell.execution_count, cell.outputs]))
        if count:
            cell.execution_count, outputs = json.loads(text)
            cell.outputs = [from_dict(output) for output in outputs]
            return
    pytest.skip(f"{old!r} is not saved below {place}")


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda line: line.split(" ; ")[0])
def test_mistake_is_noticed(run, mistake):
    test, place, old, new = (field.strip() for field in f"{mistake} ".split(" ; "))
    saved, place = place.startswith("saved "), place.removeprefix("saved ")
    looks = re.search("told|shows|title|panels|curve|tried|figure|lines_at", str(LINES.get(test)))
    seen = test.split(":")[0] if looks else "Autoencoders" if test == "saved_pictures" else "fit"
    with run.changed(place, "" if saved else old, new, seen):
        if saved:
            spoil(run, place, old, new)
        with pytest.raises(AssertionError) as caught:
            test_it_is_so(run, test) if test in LINES else globals()[f"test_{test}"](run)
    assert re.match(r".*[a-z]{3}.* [a-z]", str(caught.value).splitlines()[0]), "no words"
