"""A training depends on its part alone: not on other parts, nor on what was run before."""

import pytest
from jupyter_client.manager import start_new_kernel

from conftest import Run

FIRST_CELLS = {"fc": "fc-network", "conv": "conv-network", "dae": "add-noise"}  # of the parts


def losses(run, part):
    history = run.names[f"{part}_history"]
    return history["loss"] + history["val_loss"]


@pytest.mark.parametrize("part", FIRST_CELLS)
def test_alone_or_interrupted_and_run_again_it_is_the_same(run, notebook, part):
    cells, train = run.code, f"{part}-train"
    alone = Run(notebook, run.mnist)
    set_up = cells[cells.index("imports") : cells.index(FIRST_CELLS["fc"])]
    for cell in set_up + cells[cells.index(FIRST_CELLS[part]) : cells.index(train) + 1]:
        alone.execute(cell, train=True)
    assert losses(alone, part) == pytest.approx(losses(run, part), rel=1e-6)

    def interrupt(text):
        if text.startswith("1 epochs"):
            raise KeyboardInterrupt

    shown, alone.names["Pretty"] = alone.names["Pretty"], interrupt
    with pytest.raises(KeyboardInterrupt):
        alone.execute(train, train=True)
    alone.names["Pretty"] = shown
    alone.execute(train, train=True)
    assert losses(alone, part) == pytest.approx(losses(run, part), rel=1e-6)


def test_progress_is_one_line_in_a_real_kernel_and_stderr_is_silent(run, monkeypatch, tmp_path):
    monkeypatch.setenv("MNIST_NPZ", str(run.mnist))
    monkeypatch.setenv("SHORT_RUN_EPOCHS", "100")
    messages = []
    manager, client = start_new_kernel(cwd=tmp_path)
    try:
        for cell in run.code[run.code.index("imports") : run.code.index("fc-train")]:
            client.execute_interactive(run.sources[cell], output_hook=messages.append)
        client.execute(run.sources["fc-train"])
        while client.get_iopub_msg(timeout=60)["msg_type"] != "update_display_data":
            pass
        manager.interrupt_kernel()
        assert client.get_shell_msg(timeout=60)["content"]["ename"] == "KeyboardInterrupt"
        again = []
        client.execute_interactive(run.sources["fc-train"], output_hook=again.append)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert not [m for m in messages + again if m["content"].get("name") == "stderr"]
    kinds = [m["msg_type"] for m in again if m["msg_type"] not in ("status", "execute_input")]
    assert kinds == ["display_data"] + 100 * ["update_display_data"]
    last = [m for m in again if m["msg_type"] == "update_display_data"][-1]
    assert last["content"]["data"]["text/plain"].startswith("100 epochs in")
