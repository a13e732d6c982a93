import io
from collections import Counter

import numpy as np
import PIL.Image

from components.image_example_gen.sources.digits import DigitsSource


def test_all_digits_are_there():
    source = DigitsSource()
    images = list(source.read(source.images()))
    assert len(images) == 1797
    assert len({image.file_name for image in images}) == 1797
    assert set(Counter(image.label for image in images)) == set(range(10))
    assert DigitsSource().classes() == tuple("0123456789")


def test_pixels_use_the_whole_range():
    source = DigitsSource()
    images = source.read(source.images()[:50])
    pixels = np.stack([np.asarray(PIL.Image.open(io.BytesIO(i.encoded))) for i in images])
    assert pixels.shape == (50, 8, 8)
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_the_fingerprint_is_stable():
    assert DigitsSource().fingerprint() == DigitsSource().fingerprint()
