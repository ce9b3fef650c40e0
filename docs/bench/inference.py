#!/usr/bin/env python3
"""Measures inference, one thread, one image, against ONNX Runtime and against plain tract, and writes both tables.

Run by `docs/bench/run`, which makes what it needs.
"""
import argparse
import sys
from pathlib import Path

import report
from rounds import Side, alternate, ratio

PROGRAM = report.ROOT / "target" / "release" / "examples" / "infer_rounds"
PEERS = Path(__file__).with_name("peers.py")
BUILTIN = report.ROOT / "models" / "cifar10" / "package"
COMPARED = ["built-in", "squeezenet1.1", "squeezenet1_1", "mobilenet_v2", "efficientnet_b0", "shufflenet_v2", "resnet18",
            "resnet50", "vit_b_16"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path, help="folder of packages")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--turn", type=float, default=0.5, help="seconds a side works in a round")
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="these packages, without writing")
    parser.add_argument("--zoo", action="store_true", help="the table against tract, of all packages")
    args = parser.parse_args()
    found = {"built-in": BUILTIN} | {path.parent.name: path.parent for path in sorted(args.packages.glob("*/model.toml"))}
    chosen = args.only or (list(found) if args.zoo else [name for name in COMPARED if name in found])
    rows = []
    for name in chosen:
        rows.append((against_tract if args.zoo else against_onnxruntime)(name, found[name], args))
        print(report.table(rows[-1], []).splitlines()[0], file=sys.stderr, flush=True)
    where = (f"{report.machine()}; {report.versions('onnxruntime')}. {args.rounds} alternating rounds of about {args.turn} s "
             f"a side on one core, CPU time; **median** (least–most).")
    if args.zoo:
        head = ["model", "tract, ms", "ours, ms", "times as fast", "AVX2 forced"]
        name = "zoo"
    else:
        head = ["model", "ONNX Runtime, ms", "ours, ms", "times as fast", "AVX2 forced", "plain tract", "load, s", "peak, MB"]
        name = "inference"
    text = f"{where}\n\n{report.table(head, rows)}"
    print(text) if args.only else report.write(name, text)


def ours(package, core, engine=None):
    return Side([PROGRAM, package], core, {"PIXELMILL_ISA": engine or ""})


def measured(sides, args):
    try:
        return alternate(sides, args.rounds, args.turn)
    finally:
        for side in sides.values():
            side.close()


def against_onnxruntime(name, package, args):
    runtime = Side([sys.executable, PEERS, "onnxruntime", package / "model.onnx"], args.core)
    sides = {"runtime": runtime, "ours": ours(package, args.core), "avx2": ours(package, args.core, "avx2"),
             "tract": ours(package, args.core, "tract")}
    load, peak = sides["ours"].load, sides["ours"].peak()
    series = measured(sides, args)
    return [name, milliseconds(series["runtime"]), milliseconds(series["ours"]),
            *(ratio(*series[side].against(series["runtime"])) for side in ("ours", "avx2", "tract")),
            f"{load:.2f}", f"{peak:.0f}"]


def against_tract(name, package, args):
    sides = {"tract": ours(package, args.core, "tract"), "ours": ours(package, args.core),
             "avx2": ours(package, args.core, "avx2")}
    series = measured(sides, args)
    return [name, milliseconds(series["tract"]), milliseconds(series["ours"]),
            *(ratio(*series[side].against(series["tract"])) for side in ("ours", "avx2"))]


def milliseconds(series):
    return f"{series.median * 1e3:.2f}"


if __name__ == "__main__":
    main()
