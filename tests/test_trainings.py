"""A training depends on its part alone: not on other parts, nor on what was run before."""

import copy

import pytest
from jupyter_client.manager import start_new_kernel


def needed(run, part):
    """The cells that a part's training needs: the set-up, and its own up to the training."""
    first = next(k for k, cell in enumerate(run.code_cells) if cell.part)
    own = [cell for cell in run.code_cells if cell.part == part]
    return run.code_cells[:first] + own[: 1 + next(k for k, cell in enumerate(own) if cell.fits)]


@pytest.mark.parametrize("part", [1, 2, 3])
def test_alone_or_interrupted_and_run_again_it_is_the_same(run, part):
    alone, expected = copy.copy(run), pytest.approx(run.trained(part).history["loss"], rel=1e-6)
    alone.names, cells = {}, [copy.copy(cell) for cell in needed(run, part)]
    for cell in cells:
        alone.execute(cell, train=True)
    assert cells[-1].fits[0].history["loss"] == expected, f"Part {part}: alone, other losses"

    def interrupt(shown, **options):
        if str(getattr(shown, "data", shown)).startswith("1 epochs"):
            raise KeyboardInterrupt
        return display(shown, **options)

    display, alone.display = alone.display, interrupt
    with pytest.raises(KeyboardInterrupt):
        alone.execute(cells[-1], train=True)
    alone.display = display
    alone.execute(cells[-1], train=True)
    assert cells[-1].fits[0].history["loss"] == expected, f"Part {part}: again, other losses"


def test_progress_is_one_line_in_a_real_kernel_and_stderr_is_silent(run, monkeypatch, tmp_path):
    monkeypatch.setenv("MNIST_NPZ", str(run.mnist))
    monkeypatch.setenv("SHORT_RUN_EPOCHS", "30")
    *set_up, train = (cell.source for cell in needed(run, 1))
    messages, again = [], []
    manager, client = start_new_kernel(cwd=tmp_path)
    try:
        for source in set_up:
            client.execute_interactive(source, output_hook=messages.append)
        client.execute(train)
        while client.get_iopub_msg(timeout=60)["msg_type"] != "update_display_data":
            pass
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=60)["content"]
        assert reply["ename"] == "KeyboardInterrupt", "a training cannot be interrupted"
        client.execute_interactive(train, output_hook=again.append)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert "RESULTS DO NOT COUNT" in str(messages), "a short run does not say so"
    errors = [m["content"] for m in messages + again if m["content"].get("name") == "stderr"]
    assert not errors, f"messages on stderr: {errors}"
    shown = [m for m in again if m["msg_type"] not in ("status", "execute_input")]
    kinds = [m["msg_type"] for m in shown]
    assert kinds == ["display_data"] + 30 * ["update_display_data"], "progress is not one line"
    assert "'30 epochs in" in str(shown[-1]), f"progress ends with {shown[-1]}"
