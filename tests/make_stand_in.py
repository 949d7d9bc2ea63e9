"""Make a small stand-in for MNIST: the arrays of Keras' mnist.npz, of printed digits."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def draw_digits(count, rng):
    """Return images (count, 28, 28), uint8, of digits moved and turned, and labels (count,)."""
    labels = rng.integers(0, 10, count, dtype=np.uint8)
    images = []
    for label in labels:
        image = Image.new("L", (28, 28))
        font = ImageFont.load_default(rng.uniform(18, 24))
        place = tuple(14 + rng.uniform(-1.5, 1.5, 2))
        stroke = rng.uniform(0, 1)
        ImageDraw.Draw(image).text(place, str(label), 255, font, anchor="mm", stroke_width=stroke)
        images.append(np.array(image.rotate(rng.uniform(-20, 20), Image.Resampling.BICUBIC)))
    return np.array(images), labels


def save_stand_in(path, train=1200, test=300):
    """Save so many training and test images, always the same, with their labels."""
    rng = np.random.default_rng(0)
    (x_train, y_train), (x_test, y_test) = draw_digits(train, rng), draw_digits(test, rng)
    np.savez_compressed(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
