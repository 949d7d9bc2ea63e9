"""Bad input leads to one clear message that says what to do."""

import io
import socket

import keras
import numpy as np
import pytest

DIGITS, LABELS = np.random.default_rng(0).integers(0, 256, (10, 28, 28), np.uint8), np.arange(10)


def archive(**changed):
    """The bytes of an mnist.npz, some of its arrays changed."""
    arrays = {"x_train": DIGITS, "y_train": LABELS, "x_test": DIGITS, "y_test": LABELS} | changed
    np.savez(file := io.BytesIO(), **{k: v for k, v in arrays.items() if v is not None})
    return file.getvalue()


BAD_FILES = {
    "missing": None,
    "truncated": archive()[:9000],
    "not an archive": b"404: not found",
    "no images": archive(x_test=None),
    "no labels": archive(y_train=None),
    "wrong shape": archive(x_test=DIGITS.reshape(10, 784)),
    "wrong type": archive(x_train=DIGITS / 255),
    "too few images": archive(x_test=DIGITS[:5], y_test=LABELS[:5]),
    "pickled objects": archive(x_train=np.array([{}, None])),
}


def execute(run, variable):
    """Execute nothing but the cell that reads this environment variable."""
    (source,) = [cell.source for cell in run.code_cells if variable in cell.source]
    exec(source, dict(run.names))


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file_gives_advice(run, monkeypatch, tmp_path, name):
    if BAD_FILES[name] is not None:
        (tmp_path / "bad.npz").write_bytes(BAD_FILES[name])
    monkeypatch.setenv("MNIST_NPZ", str(tmp_path / "bad.npz"))
    with pytest.raises(RuntimeError, match=r"bad.npz.*Set MNIST_NPZ to") as caught:
        execute(run, "MNIST_NPZ")
    assert caught.value.__suppress_context__, "a traceback from deep inside a library"


def test_silent_network_gives_advice(run, monkeypatch, tmp_path):
    """A proxy that accepts and never answers does not keep anybody waiting."""
    monkeypatch.setenv("MNIST_NPZ", "")  # as good as none
    monkeypatch.setattr("keras.src.backend.config.keras_home", lambda: str(tmp_path))
    monkeypatch.setattr(keras.utils, "disable_interactive_logging", pytest.fail)  # too early
    timeouts, set_timeout = [], socket.setdefaulttimeout
    monkeypatch.setattr(socket, "setdefaulttimeout", timeouts.append)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        set_timeout(0.5)
        with pytest.raises(RuntimeError, match=r"timed out.*Set MNIST_NPZ to .*start Jupyter"):
            execute(run, "MNIST_NPZ")
        set_timeout(None)
    assert timeouts and max(timeouts) <= 30, f"silence is waited for {timeouts} seconds"


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "many", "150"])
def test_bad_short_run_gives_advice(run, monkeypatch, value):
    monkeypatch.setenv("SHORT_RUN_EPOCHS", value)
    with pytest.raises(ValueError, match="SHORT_RUN_EPOCHS unset, or a number from 1 to 149"):
        execute(run, "SHORT_RUN_EPOCHS")
