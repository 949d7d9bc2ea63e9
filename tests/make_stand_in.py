"""Make a small stand-in for MNIST: the arrays of Keras' mnist.npz, of printed digits."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SMALLER = 24  # so many times smaller than MNIST


def draw_digit(digit, size, rng):
    """Return an image (28, 28), uint8, of a digit that is moved and turned."""
    image, place = Image.new("L", (28, 28)), tuple(14 + rng.uniform(-1.5, 1.5, 2))
    font, stroke = ImageFont.load_default(size), rng.uniform(0, 1)
    ImageDraw.Draw(image).text(place, str(digit), 255, font, anchor="mm", stroke_width=stroke)
    return np.array(image.rotate(rng.uniform(-20, 20), Image.Resampling.BICUBIC))


def save_stand_in(path):
    """Save the images, always the same; the test images have more ink, some labels are wrong."""
    rng, arrays = np.random.default_rng(0), {}
    for which, count, low, high in [("train", 60000, 16, 22), ("test", 10000, 22, 27)]:
        digits, other = rng.integers(0, 10, (2, count // SMALLER), dtype=np.uint8)
        images = [draw_digit(digit, rng.uniform(low, high), rng) for digit in digits]
        arrays[f"x_{which}"] = np.array(images)
        arrays[f"y_{which}"] = np.where(rng.random(len(digits)) < 0.33, other, digits)
    np.savez_compressed(path, **arrays)
