"""What the set-up cells do with good and bad input."""

import numpy as np
import pytest


def images(count):
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def arrays(**changed):
    """The four arrays of an mnist.npz, of ten images each, some of them changed."""
    labels = np.arange(10, dtype=np.uint8)
    good = {"x_train": images(10), "y_train": labels, "x_test": images(10), "y_test": labels}
    return good | changed


@pytest.fixture
def load(execute, imports, monkeypatch):
    """A function that calls load_mnist with MNIST_NPZ set to a path."""
    monkeypatch.delenv("SHORT_RUN_EPOCHS", raising=False)
    load_mnist = execute("settings", "load", namespace=imports)["load_mnist"]

    def load_path(path):
        monkeypatch.setenv("MNIST_NPZ", str(path))
        return load_mnist()

    return load_path


def test_file_is_read(load, tmp_path):
    saved = arrays(x_train=images(20), y_train=np.arange(20))
    np.savez_compressed(tmp_path / "mnist.npz", **saved)
    (x_train, y_train), (x_test, y_test) = load(tmp_path / "mnist.npz")
    assert (x_train == saved["x_train"]).all() and (y_train == saved["y_train"]).all()
    assert (x_test == saved["x_test"]).all() and (y_test == saved["y_test"]).all()


GOOD = images(10)
BAD_ARCHIVES = {
    "images missing": {"x_train": GOOD, "y_train": np.arange(10)},
    "labels missing": {"x_train": GOOD, "x_test": GOOD},
    "wrong shape": arrays(x_test=GOOD.reshape(10, 784)),
    "wrong type": arrays(x_train=GOOD / 255),
    "too few images": arrays(x_test=GOOD[:5], y_test=np.arange(5)),
    "too few labels": arrays(y_train=np.arange(5)),
    "pickled objects": arrays(x_train=np.array([{}, None])),
}


@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_bad_archive_gives_advice(load, tmp_path, name):
    np.savez(tmp_path / "bad.npz", **BAD_ARCHIVES[name])
    with pytest.raises(RuntimeError, match="bad.npz.*Set MNIST_NPZ to"):
        load(tmp_path / "bad.npz")


BAD_FILES = {
    "empty": lambda path: path.write_bytes(b""),
    "no archive": lambda path: path.write_text("not found"),
    "one plain array": lambda path: np.save(path.open("wb"), GOOD),
    "a folder": lambda path: path.mkdir(),
    "missing": lambda path: None,
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file_gives_advice(load, tmp_path, name):
    BAD_FILES[name](tmp_path / "bad.npz")
    with pytest.raises(RuntimeError, match="bad.npz.*Set MNIST_NPZ to"):
        load(tmp_path / "bad.npz")


def test_truncated_file_gives_advice(load, tmp_path):
    np.savez(tmp_path / "bad.npz", **arrays())
    whole = (tmp_path / "bad.npz").read_bytes()
    (tmp_path / "bad.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RuntimeError, match="bad.npz.*Set MNIST_NPZ to"):
        load(tmp_path / "bad.npz")


def test_no_network_gives_advice(execute, imports, monkeypatch):
    def fail():
        raise Exception("URL fetch failure")

    monkeypatch.delenv("MNIST_NPZ", raising=False)
    monkeypatch.delenv("SHORT_RUN_EPOCHS", raising=False)
    monkeypatch.setattr(imports["keras"].datasets.mnist, "load_data", fail)
    with pytest.raises(RuntimeError, match="downloaded by Keras .*URL fetch failure.*Set MNIST"):
        execute("settings", "load", namespace=imports)["load_mnist"]()


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "many", "150"])
def test_bad_short_run_gives_advice(execute, imports, monkeypatch, value):
    monkeypatch.setenv("SHORT_RUN_EPOCHS", value)
    with pytest.raises(ValueError, match="SHORT_RUN_EPOCHS is .*from 1 to 149"):
        execute("settings", namespace=imports)


def test_short_run_says_so(execute, imports, monkeypatch, capsys):
    monkeypatch.setenv("SHORT_RUN_EPOCHS", "2")
    assert execute("settings", namespace=imports)["EPOCHS"] == 2
    assert "DO NOT COUNT" in capsys.readouterr().out


def test_full_run_is_the_default(execute, imports, monkeypatch, capsys):
    monkeypatch.delenv("SHORT_RUN_EPOCHS", raising=False)
    assert execute("settings", namespace=imports)["EPOCHS"] == 150
    assert "DO NOT COUNT" not in capsys.readouterr().out
