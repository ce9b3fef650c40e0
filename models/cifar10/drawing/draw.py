"""Draw the sample images: rendered animals and vehicles, as large as a phone's photos.

    python draw.py [--only NAME] [--out DIR] [--thumbnails]

Needs numpy and Pillow. Every picture is computed from the scenes in animals.py, pets.py and vehicles.py: no photo, no
texture file, nothing learnt. The same on every run.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

import animals
import pets
import vehicles
from render import Array, Scene

RENDERED = (800, 600)  # pixels computed; the rest is enlargement and grain, as in many a phone photo
PHONE = (4000, 3000)
ORIENTATION = 0x0112  # EXIF tag
THUMBNAIL = (32, 32)  # the built-in model's input


@dataclass(frozen=True)
class Sample:
    """A file and its scene. A portrait is stored lying on its side, with the EXIF tag that stands it up."""

    name: str
    scene: Callable[[], Scene]
    size: tuple[int, int] = PHONE
    portrait: bool = False


SAMPLES = (
    Sample("airliner.jpg", vehicles.airliner),
    Sample("red-car.jpg", vehicles.red_car),
    Sample("blue-car.png", vehicles.blue_car, size=(1024, 768)),
    Sample("robin.jpg", animals.bird),
    Sample("tabby.jpg", pets.tabby),
    Sample("grey-cat.jpg", pets.grey_cat, portrait=True),
    Sample("stag.jpg", animals.deer),
    Sample("beagle.jpg", pets.dog),
    Sample("frog.webp", animals.frog),
    Sample("horse.jpg", animals.horse),
    Sample("liner.jpg", vehicles.ship),
    Sample("lorry.jpg", vehicles.white_lorry),
)


def picture(sample: Sample) -> Image.Image:
    """The sample upright, in its final size."""
    width, height = RENDERED[::-1] if sample.portrait else RENDERED
    image = developed(sample.scene().render(width, height))
    size = sample.size[::-1] if sample.portrait else sample.size
    return grained(image.resize(size, Image.Resampling.BICUBIC), seed=len(sample.name))


def developed(colours: Array) -> Image.Image:
    """Linear light to 8 bits: a soft shoulder for highlights, gamma, darker corners."""
    height, width, _ = colours.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    colours = np.clip(colours, 0, None) * (1 - 0.10 * (x * x + y * y))[:, :, None]
    colours = np.where(colours > 0.8, 0.8 + 0.2 * np.tanh((colours - 0.8) / 0.2), colours) ** (1 / 1.1)
    image = Image.fromarray((255 * np.clip(colours, 0, 1)).astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(0.6))  # a lens, and no stairs when it is enlarged


def grained(image: Image.Image, seed: int) -> Image.Image:
    """Sensor noise, coarser than a pixel, as a phone's noise reduction leaves it."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(128, 10, (image.height // 4, image.width // 4)).clip(0, 255).astype(np.uint8)
    grain = Image.fromarray(noise).resize(image.size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1))
    pixels = np.asarray(image, np.int16) + ((np.asarray(grain, np.int16) - 128) // 3)[:, :, None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def save(sample: Sample, image: Image.Image, folder: Path) -> Path:
    path = folder / sample.name
    options: dict[str, object] = {}
    if path.suffix == ".jpg":
        options = {"quality": 70, "optimize": True, "progressive": sample.portrait}
    elif path.suffix == ".webp":
        options = {"quality": 60}
    if sample.portrait:
        image = image.transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[ORIENTATION] = 6  # "turn me a quarter to the right"
        options["exif"] = exif
    image.save(path, **options)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[3] / "samples")
    parser.add_argument("--only", action="append", help="a file's name; repeatable")
    parser.add_argument("--thumbnails", action="store_true", help=f"PNG files of {THUMBNAIL[0]}x{THUMBNAIL[1]} instead")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    chosen = [s for s in SAMPLES if not args.only or s.name in args.only]
    if not chosen:
        parser.error(f"no sample has such a name; there are {', '.join(s.name for s in SAMPLES)}")
    for sample in chosen:
        if args.thumbnails:
            path = (args.out / sample.name).with_suffix(".png")
            image = developed(sample.scene().render(160, 120))
            image.resize(THUMBNAIL, Image.Resampling.BOX).save(path, optimize=True)
        else:
            path = save(sample, picture(sample), args.out)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
