#!/usr/bin/env python3
"""Measures layers of real networks against the processor's own peak, for each instruction set, and writes the table.

Run by `docs/bench/run`, which makes what it needs.
"""
import argparse
import json
import os
import subprocess

import report

PROGRAM = report.ROOT / "target" / "release" / "examples" / "layers"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--dry", action="store_true", help="print only")
    args = parser.parse_args()
    shares, peaks = {}, {}
    for isa in ("avx512", "avx2", "neon"):
        done = subprocess.run([PROGRAM, isa, "--json"], capture_output=True, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, {args.core}))
        if done.returncode != 0:
            continue  # not an instruction set of this processor
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        peaks[isa] = max(line["peak"] for line in lines)
        shares[isa] = {(line["layer"], line["way"]): line for line in lines}
    rows = []
    for layer, way in next(iter(shares.values())):
        cells = [shares[isa][layer, way] for isa in shares]
        rows.append([layer, way, *(f"{cell['share']:.0%}" for cell in cells), *(f"{cell['ms']:.3f}" for cell in cells)])
    where = "; ".join(f"{isa}: {peak:.0f} GFLOP/s" for isa, peak in peaks.items())
    text = (f"{report.machine()}. Measured peaks of one core: {where}. Shares above 100 % are Winograd's and Strassen's: "
            f"their multiplications are fewer than those that are counted.\n\n")
    text += report.table(["layer", "computed", *(f"{isa}, of peak" for isa in shares), *(f"{isa}, ms" for isa in shares)], rows)
    print(text) if args.dry else report.write("kernels", text)


if __name__ == "__main__":
    main()
