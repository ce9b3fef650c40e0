#!/usr/bin/env python3
"""Counts how often a best class differs from that of the full decode: photos scaled up to 12 megapixels.

Run by `docs/bench/run`, which makes what it needs. The full decode is Pillow's, which rounds to bytes after each pass of its
resize, and ONNX Runtime computes the scores. Beside `worker classify`, which decodes at reduced scale and close
calls once more in full, stand decodes that are full but for a rounding: where two classes are nearly as good, that is enough to
change the best one.
"""
import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import numpy as np
from PIL import Image

import photos
import report

sys.path.insert(0, str(report.ROOT / "models"))
import reference

WORKER = report.ROOT / "target" / "release" / "worker"
# The filter and the quality decide which of the photos have two classes that are nearly as good.
WAYS = {"bicubic, 90": (Image.Resampling.BICUBIC, 90), "bicubic, 95": (Image.Resampling.BICUBIC, 95),
        "Lanczos, 90": (Image.Resampling.LANCZOS, 90), "bilinear, 90": (Image.Resampling.BILINEAR, 90)}
OURS = "**`worker classify`: at reduced scale, close calls in full**"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of photos, *.jpg")
    parser.add_argument("packages", type=Path, nargs="+", help="model packages with resize = \"shorter-side\" or \"stretch\", and three channels")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--dry", action="store_true", help="print only")
    args = parser.parse_args()
    files = sorted(args.photos.glob("*.jpg"))
    tasks = [(way, args.packages, files[start:start + 20]) for way in WAYS for start in range(0, len(files), 20)]
    seen = {}
    with multiprocessing.Pool(args.processes) as pool:
        for found in pool.imap(compare, tasks):
            for key, pairs in found.items():
                seen.setdefault(key, []).extend(pairs)
    rows = [row(package, side, {way: seen[way, package, side] for way in WAYS})
            for package in args.packages for side in [OURS, *OTHERS]]
    head = ["model", "what is classified", *WAYS, "together", "score difference, median", "largest"]
    text = f"{report.versions('pillow', 'onnxruntime')}; {len(files)} photos.\n\n{report.table(head, rows)}"
    print(text) if args.dry else report.write("agreement", text)


def row(package, side, pairs):
    """How many photos have the same best class, by how they were scaled up, and how far scores are apart."""
    same = {way: sum(is_same for is_same, _ in of_way) for way, of_way in pairs.items()}
    differences = [difference for of_way in pairs.values() for _, difference in of_way]
    share = sum(same.values()) / len(differences)
    return ["built-in" if package.name == "package" else package.name, side, *same.values(),
            f"{sum(same.values())} of {len(differences)} ({share:.1%})", f"{statistics.median(differences):.5f}",
            f"{max(differences):.4f}"]


def compare(task):
    """For every package and side, of each photo whether it has the best class of the full decode, and by how much the score
    of a class differs at most."""
    way, packages, paths = task
    filter, quality = WAYS[way]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, path.name) for path in paths]
        for path, file in zip(paths, files):
            file.write_bytes(photos.jpeg(photos.enlarged(path, filter), quality=quality))
        for package in packages:
            model = Model(package)
            ours = model.classified(folder)
            for file in files:
                full = model.scores(in_full(file, model.input))
                sides = {OURS: ours[file.name]} | {name: model.scores(side(file, model.input)) for name, side in OTHERS.items()}
                for name, scores in sides.items():
                    pair = bool(scores.argmax() == full.argmax()), float(abs(scores - full).max())
                    found.setdefault((way, package, name), []).append(pair)
    return found


class Model:
    """A package, in ONNX Runtime and in `worker classify`."""

    def __init__(self, package):
        spec = tomllib.loads((package / "model.toml").read_text(encoding="utf-8"))
        self.package, self.input, self.output = package, spec["input"], spec["output"]
        self.classes = len((package / "labels.txt").read_text(encoding="utf-8").splitlines())
        self.runtime = reference.Runtime(package / "model.onnx", self.input["name"], self.output["name"])

    def scores(self, pixels):
        values = self.runtime.run(reference.normalise(pixels, self.input))
        return reference.softmax(values) if self.output["kind"] == "logits" else values

    def classified(self, folder):
        """For each file, the scores of all classes by `worker classify`."""
        command = [WORKER, "classify", folder, "--model", self.package, "--top-k", str(self.classes), "--threads", "1",
                   "--format", "jsonl"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        scores = {}
        for row in map(json.loads, output.splitlines()):
            scores[Path(row["image"]).name] = of_image = np.zeros(self.classes, np.float32)
            for top in row["top"]:
                of_image[top["index"]] = top["score"]
        return scores


def in_full(path, spec):
    """The pixels of a tensor by Pillow, rounded after each pass."""
    return reference.pixels(Image.open(path).convert("RGB"), spec)


def unrounded(path, spec):
    bands = Image.open(path).convert("RGB").split()
    return np.concatenate([reference.pixels(band.convert("F"), spec) for band in bands], -1)


def rounded_once(path, spec):
    return np.clip(np.floor(unrounded(path, spec) + 0.5), 0, 255)


def draft(path, spec):
    """At the least scale that has the pixels, as many do it."""
    image = Image.open(path)
    image.draft("RGB", [spec.get("resize_to", max(spec["width"], spec["height"]))] * 2)
    return reference.pixels(image.convert("RGB"), spec)


OTHERS = {"the full decode, rounded after both passes only": rounded_once, "the full decode, not rounded": unrounded,
          "Pillow's `draft`": draft}


if __name__ == "__main__":
    main()
