#!/usr/bin/env python3
"""Measures decoding, resizing and normalising of JPEGs for a 224×224 model against Pillow, and writes the table.

Run by `docs/bench/run`, which makes what it needs.
"""
import argparse
import sys
from pathlib import Path

import photos
import report
from rounds import Side, alternate, ratio

PROGRAM = report.ROOT / "target" / "release" / "examples" / "decode_rounds"
PEERS = Path(__file__).with_name("peers.py")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of photos, *.jpg")
    parser.add_argument("work", type=Path, help="folder for the files made from them")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--turn", type=float, default=0.5, help="seconds a side works in a round")
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--dry", action="store_true", help="print only")
    args = parser.parse_args()
    rows = []
    for kind, files in photos.make(args.photos, args.work).items():
        megabytes = sum(file.stat().st_size for file in files) / len(files) / 1e6
        sides = {"ours": Side([PROGRAM, *files], args.core),
                 "pillow": Side([sys.executable, PEERS, "pillow", *files], args.core),
                 "full": Side([sys.executable, PEERS, "pillow-full", *files], args.core)}
        peak = sides["ours"].peak()
        series = alternate(sides, args.rounds, args.turn)
        for side in sides.values():
            side.close()
        each = {name: f"{one.median / len(files) * 1e3:.2f}" for name, one in series.items()}
        rows.append([f"{kind} ({megabytes:.2f} MB)", each["ours"], each["pillow"], each["full"],
                     ratio(*series["ours"].against(series["pillow"])), f"{peak:.0f}"])
    where = (f"{report.machine()}; {report.versions('pillow')}. Means of {len(files)} files, {args.rounds} alternating "
             f"rounds on one core, CPU time; **median** (least–most).")
    head = ["JPEG files", "ours, ms", "Pillow with `draft`, ms", "Pillow in full, ms", "times as fast as `draft`", "peak, MB"]
    text = f"{where}\n\n{report.table(head, rows)}"
    print(text) if args.dry else report.write("decoding", text)


if __name__ == "__main__":
    main()
