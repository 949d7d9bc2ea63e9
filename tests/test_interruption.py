"""An interrupted training goes on where it stopped, and nothing else is ever picked up."""

import contextlib
import json
import re
import time
from pathlib import Path

import jupyter_client
import keras
import numpy as np
import pytest


def small_model():
    """A compiled model with a state of its own."""
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)], name="small")
    model.compile(loss="mse", optimizer="adam")
    return model


@pytest.fixture
def saved(run, monkeypatch, tmp_path):
    """The checkpoint of a training that stopped after an epoch, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    checkpoint = run.names["Checkpoint"](small_model())
    checkpoint.on_epoch_begin(0)
    checkpoint.on_epoch_end(0, {"loss": 2.0, "val_loss": 3.0})
    return checkpoint


def test_the_same_code_goes_on(run, saved, capsys):
    model = small_model()
    history = run.names["Checkpoint"](model).history
    assert (history["loss"], history["val_loss"]) == ([2.0], [3.0])
    assert capsys.readouterr().out == "An interrupted training goes on after epoch 1.\n"
    for variable, before in zip(model.variables + model.optimizer.variables, saved.variables):
        assert (variable.numpy() == before.numpy()).all()


@pytest.mark.parametrize("name, value", [("In", ["x = 2"]), ("EPOCHS", 3), ("fingerprint", "0")])
def test_other_code_starts_anew(run, saved, monkeypatch, capsys, name, value):
    monkeypatch.setitem(run.names, name, value)
    assert not run.names["Checkpoint"](small_model()).history["loss"]
    assert "(it was written by other code). The training starts from" in capsys.readouterr().out


@pytest.mark.parametrize("length", [0, 1, 900, -1])
def test_damaged_file_starts_anew(run, saved, capsys, length):
    saved.path.write_bytes(saved.path.read_bytes()[:length])
    model = small_model()
    before = model.get_weights()
    assert not run.names["Checkpoint"](model).history["loss"]
    text = capsys.readouterr().out
    assert "is not used" in text and "other code" not in text
    assert all((one == two).all() for one, two in zip(before, model.get_weights()))


def test_full_disk_is_said_once_and_spoils_nothing(run, saved, monkeypatch, capsys):
    def fail(file, *arrays, **texts):
        file.write_bytes(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    for epoch in (1, 2):
        saved.on_epoch_end(epoch, {"loss": 1.0, "val_loss": 1.0})
    assert capsys.readouterr().out.count("cannot be saved (No space left on device)") == 1
    assert not list(saved.path.parent.glob(".*.part.npz"))
    assert len(run.names["Checkpoint"](small_model()).history["loss"]) == 1


@pytest.mark.parametrize(
    "refused, line",
    [
        ([(Path, "unlink"), (np, "savez")], "cannot be saved (Read-only file system)"),
        ([(Path, "unlink")], "Delete .training_small.npz, or the next run"),
    ],
)
def test_read_only_folder_does_no_harm(run, monkeypatch, tmp_path, capsys, refused, line):
    def refuse(*arguments, **more):
        raise OSError("Read-only file system")

    monkeypatch.chdir(tmp_path)
    for owner, name in refused:
        monkeypatch.setattr(owner, name, refuse)
    data = run.names["batches"]((np.zeros((10, 6), "float32"),) * 2, 5)
    history, _ = run.names["train"](small_model(), data, data)
    assert len(history["loss"]) == run.names["EPOCHS"]
    assert capsys.readouterr().out.count(line) == 1


def test_finished_training_leaves_nothing(run):
    assert set(run.names["fc_history"]) == {"loss", "val_loss"}
    assert not list(run.mnist.parent.glob(".training*"))


@contextlib.contextmanager
def kernel(run, folder):
    """A real kernel that has executed the cells before Part 1's training; at the end, it dies."""
    manager, client = jupyter_client.manager.start_new_kernel(cwd=folder)
    try:
        for cell in run.code[: run.code.index("fc-train")]:
            reply = client.execute_interactive(run.sources[cell], output_hook=lambda message: None)
            assert reply["content"]["status"] == "ok", reply["content"]
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def start_training(run, client, state, epochs):
    """Start Part 1's training, and wait until so many epochs are saved."""
    client.execute(run.sources["fc-train"])
    for _ in range(600):
        time.sleep(0.05)
        with contextlib.suppress(OSError), np.load(state) as saved:
            if len(json.loads(str(saved["history"]))["loss"]) >= epochs:
                return
    raise AssertionError(f"{epochs} epochs are not saved")


def test_interrupted_and_killed_it_reaches_the_last_epoch(run, tmp_path, monkeypatch):
    monkeypatch.setenv("MNIST_NPZ", str(run.mnist))
    monkeypatch.setenv("SHORT_RUN_EPOCHS", "40")
    state = tmp_path / ".training_fully_connected.npz"
    with kernel(run, tmp_path) as (manager, client):
        start_training(run, client, state, epochs=3)
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=20)["content"]
        assert reply["evalue"] == "Run this cell again, and the training goes on."
        start_training(run, client, state, epochs=10)
    texts = []
    with kernel(run, tmp_path) as (_, client):
        for code in (
            run.sources["fc-train"],
            "print(fc_model.optimizer.iterations.numpy(), fc_history)",
        ):
            client.execute_interactive(
                code, output_hook=lambda message: texts.append(message["content"].get("text", ""))
            )
    text = "".join(texts)
    assert int(re.search(r"goes on after epoch (\d+)", text).group(1)) >= 10
    steps, history = re.search(r"^(\d+) (\{.*)$", text, re.MULTILINE).groups()
    history = json.loads(history.replace("'", '"'))
    assert int(steps) == len(history["loss"]) == len(history["val_loss"]) == 40
    assert not list(tmp_path.iterdir())
