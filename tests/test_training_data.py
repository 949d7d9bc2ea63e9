"""What the networks are trained on: whole batches, and inputs that fit their targets."""

import numpy as np
import pytest

IMAGES = np.random.default_rng(0).random((40, 28, 28), dtype="float32")


@pytest.fixture(scope="module")
def names(execute, imports):
    given = {**imports, "x_train": IMAGES, "x_test": IMAGES}
    return execute("settings", "batches", "fc-data", namespace=given)


@pytest.mark.parametrize("shuffled", [False, True])
def test_batches_hold_every_pair_once(names, shuffled):
    numbers = np.arange(40)
    dataset = names["batches"]((numbers, -numbers), 16, shuffled)
    assert len(dataset) == 3
    for _ in range(2):  # epochs
        inputs, targets = (np.concatenate(parts) for parts in zip(*dataset.as_numpy_iterator()))
        assert (inputs == -targets).all()
        assert (inputs.tolist() != numbers.tolist()) == shuffled
        assert sorted(inputs) == numbers.tolist()


def test_shifts_are_the_same_for_input_and_target(names):
    seen = set()
    for _ in range(200):
        inputs, targets = (np.array(vectors) for vectors in names["shifted_pair"](IMAGES))
        assert (inputs == targets).all()
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                shifted = np.roll(IMAGES, (down, across), axis=(1, 2)).reshape(-1, 784)
                if (inputs == shifted).all():
                    seen.add((down, across))
    assert len(seen) == 9
