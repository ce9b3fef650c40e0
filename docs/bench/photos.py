"""The JPEG files that decoding is measured on, made from a folder of photos."""
import io
import random

import numpy as np
from PIL import Image

PIXELS = (4000, 3000)


def enlarged(path, filter=Image.Resampling.BICUBIC):
    """A photo scaled up to 12 megapixels, upright or lying as it was."""
    image = Image.open(path).convert("RGB")
    size = PIXELS if image.width >= image.height else PIXELS[::-1]
    return image.resize(size, filter)


def noisy(image, seed, sigma=4.0):
    """With the noise of a sensor, which is what makes files of real cameras dense."""
    noise = np.random.default_rng(seed).normal(0, sigma, (image.height, image.width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(np.asarray(image, np.float32) + noise, 0, 255).astype(np.uint8))


def jpeg(image, **options):
    """The bytes of a JPEG file as phones write them: 4:2:0, the standard's Huffman tables."""
    data = io.BytesIO()
    image.save(data, "JPEG", **{"quality": 90, "subsampling": "4:2:0", **options})
    return data.getvalue()


def make(photos, folder, count=12):
    """Writes `count` files of each kind into folders of `folder`; gives {kind: paths}."""
    chosen = random.Random(1).sample(sorted(photos.glob("*.jpg")), count)
    kinds = {"as they are": lambda path, _: path.read_bytes(),
             "12 MP": lambda path, _: jpeg(enlarged(path)),
             "12 MP, dense": lambda path, seed: jpeg(noisy(enlarged(path), seed), quality=92),
             "12 MP, progressive": lambda path, _: jpeg(enlarged(path), progressive=True)}
    made = {}
    for kind, content in kinds.items():
        made[kind] = []
        for seed, path in enumerate(chosen):
            target = folder / kind.replace(", ", "-").replace(" ", "-") / path.name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content(path, seed))
            made[kind].append(target)
    return made
