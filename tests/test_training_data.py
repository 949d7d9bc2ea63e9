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


def test_noise_is_gaussian_scaled_and_clipped(execute, imports):
    given = {**imports, "x_train": IMAGES, "x_test": IMAGES}
    names = execute("settings", "errors", "dae-noise", namespace=given)
    assert names["NOISE_SCALE"] == 0.25
    grey = np.full((1000, 28, 28), 0.5, dtype="float32")  # two deviations from both ends
    noisy = names["add_noise"](grey, np.random.default_rng(1))
    assert noisy.shape == grey.shape and noisy.dtype == np.float32
    assert noisy.min() == 0 and noisy.max() == 1
    assert (grey == 0.5).all()  # the original is untouched
    # A Gaussian has 68.3 % within one deviation and 2.3 % beyond two, on each side.
    assert np.mean(np.abs(noisy - 0.5) < 0.25) == pytest.approx(0.683, abs=0.005)
    assert np.mean(noisy == 0) == pytest.approx(0.0228, abs=0.002)
    assert np.mean(noisy == 1) == pytest.approx(0.0228, abs=0.002)
    # The same images, yet training and test get different noise.
    assert (names["x_train_noisy"] != names["x_test_noisy"]).mean() > 0.5


def test_denoiser_learns_from_noisy_to_clean(execute, imports):
    rng = np.random.default_rng(0)
    given = {name: rng.random((40, 28, 28), dtype="float32") for name in ["x_train", "x_test"]}
    cells = ["settings", "errors", "batches", "dae-noise", "dae-data"]
    names = execute(*cells, namespace={**imports, **given})
    pairs = [
        (noisy, clean)
        for inputs, targets in names["dae_batches"].as_numpy_iterator()
        for noisy, clean in zip(inputs[..., 0], targets[..., 0])
    ]
    assert len(pairs) == 40
    for noisy, clean in pairs:
        (index,) = [i for i, image in enumerate(names["x_train"]) if (image == clean).all()]
        assert (noisy == names["x_train_noisy"][index]).all()
    assert (names["dae_test"][..., 0] == names["x_test_noisy"]).all()
    assert (names["clean_test"][..., 0] == names["x_test"]).all()


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
