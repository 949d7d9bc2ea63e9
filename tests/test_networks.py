"""The networks have exactly the layers that the assignment asks for."""

import keras
import numpy as np
import pytest
from keras.layers import Conv2D, Dense, MaxPooling2D, UpSampling2D


def test_fully_connected_layers(execute, imports):
    model = execute("settings", "fc-network", namespace=imports)["fc_model"]
    assert type(model) is keras.Sequential
    assert model.input_shape == (None, 784)
    assert all(type(layer) is Dense for layer in model.layers)
    assert [layer.units for layer in model.layers] == [400, 200, 100, 200, 400, 784]
    assert model.layers[2] is model.get_layer("bottleneck")


def test_convolutional_layers(execute, imports):
    model = execute("settings", "two-halves", "conv-network", namespace=imports)["conv_model"]
    assert isinstance(model, keras.Sequential)
    assert model.input_shape == (None, 28, 28, 1)
    assert [(type(layer), layer.output.shape[1:]) for layer in model.layers] == [
        (Conv2D, (28, 28, 16)),
        (MaxPooling2D, (14, 14, 16)),
        (Conv2D, (14, 14, 8)),
        (MaxPooling2D, (7, 7, 8)),
        (Conv2D, (7, 7, 8)),
        (UpSampling2D, (14, 14, 8)),
        (Conv2D, (14, 14, 16)),
        (UpSampling2D, (28, 28, 16)),
        (Conv2D, (28, 28, 1)),
    ]
    for layer in model.layers:
        if type(layer) is Conv2D:
            assert layer.kernel_size == (3, 3)
        if type(layer) is MaxPooling2D:
            assert layer.pool_size == (2, 2)
    assert model.layers[3] is model.get_layer("bottleneck")


def test_denoising_network_maps_images_to_images(execute, imports):
    model = execute("settings", "two-halves", "dae-network", namespace=imports)["dae_model"]
    assert isinstance(model, keras.Sequential)
    assert model.input_shape == model.output_shape == (None, 28, 28, 1)


def test_four_maps_are_the_pixels_of_two_by_two_blocks(execute, imports):
    maps = np.arange(2 * 14 * 14 * 4).reshape(2, 14, 14, 4)
    names = execute("settings", "two-halves", "dae-network", namespace=imports)
    images = np.array(names["interleave"](maps))
    assert images.shape == (2, 28, 28, 1)
    for k, (down, across) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        assert (images[:, down::2, across::2, 0] == maps[..., k]).all()


def test_two_halves_make_the_same_step_as_the_whole_batch(execute, imports):
    rng = np.random.default_rng(0)
    inputs, targets = rng.random((8, 5), "float32"), rng.random((8, 3), "float32")
    steps = []
    for kind in (keras.Sequential, execute("two-halves", namespace=imports)["TwoHalves"]):
        keras.utils.set_random_seed(0)
        model = kind([keras.Input((5,)), Dense(3)])
        model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.1))
        history = model.fit(inputs, targets, batch_size=8, verbose=0).history
        steps.append([*model.get_weights(), history["loss"]])
    for whole, halves in zip(*steps):
        np.testing.assert_allclose(whole, halves, rtol=1e-5)


@pytest.mark.parametrize("part", ["fc", "conv", "dae"])
def test_network_starts_from_a_seed(execute, imports, part):
    first, again = (
        execute("settings", "two-halves", f"{part}-network", namespace=imports) for _ in range(2)
    )
    for one, other in zip(
        first[f"{part}_model"].get_weights(), again[f"{part}_model"].get_weights()
    ):
        assert (one == other).all()


def test_bottleneck_maps_are_laid_out_whole(execute, imports):
    images = np.random.default_rng(0).random((10, 28, 28, 1), dtype="float32")
    names = execute(
        "settings", "two-halves", "conv-network", namespace={**imports, "conv_test": images}
    )
    names = execute("lay-out", "conv-codes", namespace=names)
    assert names["conv_codes"].shape == (10, 28, 14)
    for k in range(8):
        row, column = 7 * (k // 2), 7 * (k % 2)
        tile = names["conv_codes"][:, row : row + 7, column : column + 7]
        assert (tile == names["conv_maps"][..., k]).all()
