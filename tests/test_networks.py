"""The networks have exactly the layers that the assignment asks for."""

import keras


def test_fully_connected_layers(execute, imports):
    model = execute("settings", "fc-network", namespace=imports)["fc_model"]
    assert type(model) is keras.Sequential
    assert model.input_shape == (None, 784)
    assert all(type(layer) is keras.layers.Dense for layer in model.layers)
    assert [layer.units for layer in model.layers] == [400, 200, 100, 200, 400, 784]
    assert model.layers[2] is model.get_layer("bottleneck")


def test_fully_connected_starts_from_a_seed(execute, imports):
    first, again = (execute("settings", "fc-network", namespace=imports) for _ in range(2))
    for one, other in zip(first["fc_model"].get_weights(), again["fc_model"].get_weights()):
        assert (one == other).all()
