"""Measure the built-in classifier on labelled images: the tables of README.md.

    python evaluate.py unpack test.parquet images          # one JPEG per row: <label>_<n>.jpg
    worker classify images --format jsonl > rows.jsonl
    python evaluate.py tables rows.jsonl

`python evaluate.py onnx package test.parquet > rows.jsonl` gives the rows of ONNX Runtime and Pillow instead.
"""

import argparse
import io
import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def rows_of(parquet: Path) -> Iterator[tuple[str, bytes]]:
    """File name, from the label and the row's number, and the encoded image."""
    table = pq.read_table(parquet, columns=["image", "label"])
    for number, (image, label) in enumerate(zip(table["image"], table["label"], strict=True)):
        yield f"{LABELS[label.as_py()]}_{number:05}.jpg", image.as_py()


def unpack(parquet: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for name, image in rows_of(parquet):
        (folder / name).write_bytes(image)
        count += 1
    print(f"{folder}: {count} images")


def onnx(package: Path, parquet: Path) -> None:
    """Print a row per image, as far as `tables` reads them."""
    import onnxruntime

    spec = tomllib.loads((package / "model.toml").read_text())["input"]
    session = onnxruntime.InferenceSession(package / "model.onnx", providers=["CPUExecutionProvider"])
    labels = (package / "labels.txt").read_text().split()
    size = (spec["width"], spec["height"])
    for name, image in rows_of(parquet):
        picture = Image.open(io.BytesIO(image)).convert("RGB").resize(size, Image.Resampling.BILINEAR)
        pixels = np.asarray(picture, np.float32) / np.float32(spec["scale"])
        tensor = ((pixels - np.float32(spec["mean"])) / np.float32(spec["std"])).transpose(2, 0, 1)[None]
        logits = session.run(None, {spec["name"]: np.ascontiguousarray(tensor)})[0][0]
        print(json.dumps({"image": name, "status": "ok", "label": labels[int(logits.argmax())]}))


def tables(rows: Path) -> None:
    """Print accuracy, figures by class and the confusion matrix as Markdown. A failed image counts as wrong."""
    confusion = np.zeros((len(LABELS), len(LABELS) + 1), int)  # rows: true class; last column: failed
    with rows.open() as lines:
        for line in lines:
            row = json.loads(line)
            truth = Path(row["image"]).stem.rsplit("_", 1)[0]
            if truth not in LABELS:
                raise SystemExit(f"{row['image']}: not named <label>_<n>.jpg")
            guess = LABELS.index(row["label"]) if row["status"] == "ok" else len(LABELS)
            confusion[LABELS.index(truth), guess] += 1
    total, right = int(confusion.sum()), np.diag(confusion)
    if total == 0:
        raise SystemExit(f"{rows}: no rows")
    share = right.sum() / total
    error = 1.96 * (share * (1 - share) / total) ** 0.5
    print(
        f"Top-1: {100 * share:.2f} % ± {100 * error:.2f} ({right.sum()} of {total}; {confusion[:, -1].sum()} failed)\n"
    )
    print("| class | images | precision | recall | F1 |\n|---|--:|--:|--:|--:|")
    for k, label in enumerate(LABELS):
        images, called = confusion[k].sum(), confusion[:, k].sum()
        precision, recall = right[k] / max(called, 1), right[k] / max(images, 1)
        print(f"| {label} | {images} | {precision:.3f} | {recall:.3f} | {2 * right[k] / max(images + called, 1):.3f} |")
    print("\n| true \\ said | " + " | ".join(LABELS) + " |\n|---|" + "--:|" * len(LABELS))
    for label, counts in zip(LABELS, confusion, strict=True):
        print(f"| {label} | " + " | ".join(str(c) if c else "" for c in counts[:-1]) + " |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, arguments in (("unpack", ("parquet", "folder")), ("onnx", ("package", "parquet")), ("tables", ("rows",))):
        command = commands.add_parser(name)
        for argument in arguments:
            command.add_argument(argument, type=Path)
    given = vars(parser.parse_args())
    {"unpack": unpack, "onnx": onnx, "tables": tables}[given.pop("command")](**given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
