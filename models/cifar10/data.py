"""CIFAR-10 as tensors, from a Parquet file of encoded images or from the official archive, and its augmentation."""

import hashlib
import io
import pickle
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from network import MEAN, STD

OFFICIAL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
OFFICIAL_MD5 = "c58f30108f718f92721af3b95e74349a"
LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BILINEAR = Image.Resampling.BILINEAR
SHIFT = 4  # pixels of random translation
CUTOUT = 12  # side of the square that is blanked


@dataclass(frozen=True)
class Images:
    """`pixels` uint8 [N,3,32,32] (RGB), `labels` int64 [N]."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def normalised(self) -> Tensor:
        """float32 [N,3,32,32], channels last in memory: (pixel / 255 - mean) / std."""
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
        return ((self.pixels / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def from_parquet(path: Path) -> Images:
    """Read columns `image` (encoded bytes, 32x32) and `label` (0-9)."""
    table = pq.read_table(path, columns=["image", "label"])
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(b.as_py())).convert("RGB")) for b in table["image"]])
    labels = torch.from_numpy(table["label"].to_numpy().astype(np.int64))
    return Images(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), labels)


def official(folder: Path) -> tuple[Images, Images]:
    """Training and test images of the official archive, fetched into `folder` unless it is there already."""
    archive = folder / "cifar-10-python.tar.gz"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = archive.with_suffix(".part")
        with urllib.request.urlopen(OFFICIAL, timeout=60) as answer, part.open("wb") as out:
            while block := answer.read(1 << 20):
                out.write(block)
        part.rename(archive)
    digest = hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest()
    if digest != OFFICIAL_MD5:
        raise SystemExit(f"{archive}: MD5 {digest}, expected {OFFICIAL_MD5}; delete it to fetch it again")
    with tarfile.open(archive) as tar:

        def read(name: str) -> tuple[np.ndarray, list[int]]:
            member = tar.extractfile(f"cifar-10-batches-py/{name}")
            if member is None:
                raise SystemExit(f"{archive}: {name} is missing")
            batch = pickle.load(member, encoding="bytes")  # safe: the archive's digest was checked
            return batch[b"data"], batch[b"labels"]

        def images(names: list[str]) -> Images:
            pixels, labels = zip(*(read(n) for n in names), strict=True)
            joined = torch.from_numpy(np.concatenate(pixels)).view(-1, 3, 32, 32)
            return Images(joined, torch.tensor(sum(labels, [])))

        return images([f"data_batch_{i}" for i in range(1, 6)]), images(["test_batch"])


class Augmented:
    """Training images, changed anew each epoch: all draws come from one seed, whatever thread makes a batch."""

    def __init__(self, images: Images, seed: int) -> None:
        self.labels = images.labels
        around = ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0))
        self.padded = np.pad(images.pixels.permute(0, 2, 3, 1).numpy(), around, mode="reflect")
        self.seed = seed
        self.flipped = self._generator(-1).choice(2, len(images)).astype(bool)

    def _generator(self, epoch: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, epoch + 1))

    def epoch(self, epoch: int, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """The batches of an epoch as (indices [size], draws [size,8], from 0 to 1); what is left over is not used."""
        rng = self._generator(epoch)
        draws = rng.random((len(self.labels), 8))
        order = rng.permutation(len(self.labels))
        return [(i, draws[i]) for i in (order[k : k + size] for k in range(0, len(order) - size + 1, size))]

    def batch(
        self, epoch: int, indices: np.ndarray, draws: np.ndarray, side: int, strong: bool
    ) -> tuple[Tensor, Tensor]:
        """float32 [N,3,side,side] (channels last), and the share of each class in each image [N,classes].

        Each image is flipped in every second epoch, moved by up to `SHIFT` pixels, and loses a square of `CUTOUT`
        pixels a side. With `strong`, it is distorted before, and in every second image the square is of any size and
        shows a part of another image, which then counts by its area (CutMix).
        """
        crops = np.empty((len(indices), 32, 32, 3), np.uint8)
        corners = (draws[:, :2] * (2 * SHIFT + 1)).astype(int)
        for k, (i, (y, x)) in enumerate(zip(indices, corners, strict=True)):
            image = distorted(self.padded[i], *draws[k, 5:7]) if strong else self.padded[i]
            crop = image[y : y + 32, x : x + 32]
            crops[k] = crop[:, ::-1] if self.flipped[i] ^ bool(epoch % 2) else crop
        labels = self.labels[torch.from_numpy(indices)]
        pixels = Images(torch.from_numpy(crops).permute(0, 3, 1, 2), labels).normalised()
        mixed = torch.from_numpy(draws[:, 4] < 0.5) & strong
        sides = torch.where(mixed, torch.from_numpy(32 * np.sqrt(draws[:, 7])), float(CUTOUT))
        square = squares(torch.from_numpy(draws[:, 2:4]) * 32, sides, 32)
        others = torch.where(mixed.view(-1, 1, 1, 1), pixels.roll(1, 0), 0.0)
        pixels = torch.where(square, others, pixels).contiguous(memory_format=torch.channels_last)
        share = torch.where(mixed, square.float().mean((1, 2, 3)), 0.0).unsqueeze(1)
        classes = torch.nn.functional.one_hot(labels, len(LABELS)).float()
        if side != 32:
            pixels = torch.nn.functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True)
        return pixels, (1 - share) * classes + share * classes.roll(1, 0)


def squares(centres: Tensor, sides: Tensor, size: int) -> Tensor:
    """bool [N,1,size,size], true in a square around each of `centres` [N,2] (y, x) with each of `sides` [N]."""
    at = torch.arange(size) + 0.5
    inside = ((at - centres.unsqueeze(2)).abs() < sides.view(-1, 1, 1) / 2).unsqueeze(1)
    return inside[:, :, 0].unsqueeze(3) & inside[:, :, 1].unsqueeze(2)


def distorted(pixels: np.ndarray, which: float, strength: float) -> np.ndarray:
    """`pixels` uint8 [S,S,3] after one of thirteen changes, or as they are (3 times in 16). Draws from 0 to 1."""
    side = len(pixels)
    signed = 2 * strength - 1
    middle = side / 2

    def affine(a: float, b: float, c: float, d: float) -> Image.Image:
        """The pixel at (x, y) from the middle comes from (a x + b y, c x + d y)."""
        rest = (middle - (a + b) * middle, middle - (c + d) * middle)
        return image.transform(image.size, Image.Transform.AFFINE, (a, b, rest[0], c, d, rest[1]), BILINEAR)

    image = Image.fromarray(pixels)
    match int(16 * which):
        case 0:
            image = image.rotate(20 * signed, BILINEAR)
        case 1:
            image = affine(1, 0.25 * signed, 0, 1)
        case 2:
            image = affine(1, 0, 0.25 * signed, 1)
        case 3:
            image = affine(1 + 0.2 * signed, 0, 0, 1 + 0.2 * signed)
        case 4:
            image = affine(1 + 0.2 * signed, 0, 0, 1)
        case 5:
            image = ImageEnhance.Brightness(image).enhance(1 + 0.6 * signed)
        case 6:
            image = ImageEnhance.Contrast(image).enhance(1 + 0.6 * signed)
        case 7:
            image = ImageEnhance.Color(image).enhance(1 + 0.8 * signed)
        case 8:
            image = ImageEnhance.Sharpness(image).enhance(1 + 0.9 * signed)
        case 9:
            image = ImageOps.posterize(image, 8 - int(5 * strength))
        case 10:
            image = ImageOps.solarize(image, 256 - int(128 * strength))
        case 11:
            image = ImageOps.autocontrast(image)
        case 12:
            image = ImageOps.equalize(image)
        case _:
            return pixels
    return np.asarray(image)
