#!/usr/bin/env python3
"""Counts how often a decode at reduced scale changes a model's best class: photos scaled up to 12 megapixels.

Run by `docs/bench/run`, which makes what it needs.
"""
import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

import photos
import report

PROGRAM = report.ROOT / "target" / "release" / "examples" / "reduced"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of photos, *.jpg")
    parser.add_argument("packages", type=Path, nargs="+", help="model packages")
    parser.add_argument("--dry", action="store_true", help="print only")
    args = parser.parse_args()
    files = sorted(args.photos.glob("*.jpg"))
    answers = {package: [] for package in args.packages}
    for start in range(0, len(files), 20):
        with tempfile.TemporaryDirectory() as folder:
            made = []
            for path in files[start:start + 20]:
                made.append(Path(folder) / path.name)
                made[-1].write_bytes(photos.jpeg(photos.enlarged(path)))
            for package, lines in answers.items():
                output = subprocess.run([PROGRAM, package, *made], capture_output=True, text=True, check=True).stdout
                lines.extend(map(json.loads, output.splitlines()))
    rows = []
    for package, lines in answers.items():
        of = {key: [line[key] for line in lines] for key in ("same", "difference", "pixels")}
        same, leads = sum(of["same"]), [line["lead"] for line in lines if not line["same"]]
        rows.append(["built-in" if package.name == "package" else package.name, len(lines), f"{same} ({same / len(lines):.1%})",
                     f"{max(leads):.4f}" if leads else "", f"{statistics.median(of['difference']):.5f}",
                     f"{max(of['difference']):.4f}", f"{statistics.mean(of['pixels']):.3f}"])
    head = ["model", "photos", "same best class", "its lead where it is not the same, at most", "score difference, median", "largest",
            "samples differ by, of 255"]
    text = report.table(head, rows)
    print(text) if args.dry else report.write("agreement", text)


if __name__ == "__main__":
    main()
