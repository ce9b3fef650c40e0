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
from PIL import Image
from torch import Tensor

from network import MEAN, STD

OFFICIAL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
OFFICIAL_MD5 = "c58f30108f718f92721af3b95e74349a"
LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
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
    """Training images with random flip, translation and cutout, drawn anew each epoch from one seed."""

    def __init__(self, images: Images, seed: int) -> None:
        self.labels = images.labels
        self.padded = torch.nn.functional.pad(images.normalised(), (SHIFT,) * 4, mode="reflect")
        self.padded = self.padded.contiguous(memory_format=torch.channels_last)
        self.seed = seed
        self.flipped = self._generator(-1).choice(2, len(images)).astype(bool)

    def _generator(self, epoch: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, epoch + 1))

    def epoch(self, epoch: int, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """The batches of an epoch as (indices [size], draws [size,4]); what is left over is not used."""
        rng = self._generator(epoch)
        count = len(self.labels)
        draws = np.concatenate((rng.integers(0, 2 * SHIFT + 1, (count, 2)), rng.integers(0, 32, (count, 2))), axis=1)
        order = rng.permutation(count)
        return [(i, draws[i]) for i in (order[k : k + size] for k in range(0, count - size + 1, size))]

    def batch(self, epoch: int, indices: np.ndarray, draws: np.ndarray, side: int) -> tuple[Tensor, Tensor]:
        """float32 [N,3,side,side] (channels last) and labels [N]. Each image is flipped in every second epoch."""
        out = torch.empty((len(indices), 3, 32, 32), memory_format=torch.channels_last)
        for k, (i, (dy, dx, cy, cx)) in enumerate(zip(indices, draws, strict=True)):
            image = self.padded[i, :, dy : dy + 32, dx : dx + 32]
            out[k] = image.flip(2) if self.flipped[i] ^ bool(epoch % 2) else image
            half = CUTOUT // 2
            out[k, :, max(cy - half, 0) : cy + half, max(cx - half, 0) : cx + half] = 0
        if side != 32:
            out = torch.nn.functional.interpolate(out, (side, side), mode="bilinear", antialias=True)
        return out, self.labels[indices]
