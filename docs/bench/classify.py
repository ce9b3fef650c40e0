#!/usr/bin/env python3
"""Measures `worker classify`, the whole program, against Python with Pillow and ONNX Runtime, and prints the table.

    pip install numpy pillow onnxruntime
    models/package.py model.onnx my-package --labels labels.txt --preset caffe
    cargo build --release -p worker
    docs/bench/classify.py PHOTOS my-package

Every side classifies the same files, one process or thread a core. Sides take turns, so that ratios hold on a machine
that others use too. The peers are what a careful engineer writes: decoded at reduced scale where that is allowed
(`draft`), one inference thread a process, nothing timed but the work. Ours is timed as a user meets it: from the start
of the program, which loads the model and checks its golden inputs, to its last row.
"""
import argparse
import io
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of photos, *.jpg")
    parser.add_argument("package", type=Path, help="model package with resize = \"shorter-side\"")
    parser.add_argument("--worker", type=Path, default=ROOT / "target" / "release" / "worker")
    parser.add_argument("--repeat", type=int, default=4, help="times that every photo is classified in a run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    files = [str(path.resolve()) for path in sorted(args.photos.glob("*.jpg"))] * args.repeat
    if not files:
        raise SystemExit(f"no *.jpg in {args.photos}")
    print(f"{len(files)} images a run, {args.rounds} alternating rounds; median (least–most)\n")
    head = ["threads", "side", "images/s", "core-seconds per 1,000", "peak, MB", "ours is faster, wall", "in CPU time"]
    print("| " + " | ".join(head) + " |\n" + "|--:|---|" + "--:|" * (len(head) - 2))
    for threads in args.threads:
        sides = {"`worker classify`": Program(args, files, threads),
                 "Pillow with `draft` + ONNX Runtime": Peer(args.package, files, threads, draft=True),
                 "Pillow + ONNX Runtime": Peer(args.package, files, threads, draft=False),
                 "ONNX Runtime alone, no images": Peer(args.package, files, threads, draft=None)}
        runs = {name: [] for name in sides}
        for _ in range(args.rounds):
            for name, side in sides.items():
                runs[name].append(side.run())
        ours = runs["`worker classify`"]
        for name, series in runs.items():
            peak = "" if series[0].peak is None else f"{max(run.peak for run in series):.0f}"
            ratios = [[theirs.wall / mine.wall for mine, theirs in zip(ours, series)],
                      [theirs.cpu / mine.cpu for mine, theirs in zip(ours, series)]]
            print("| " + " | ".join([
                str(threads), name, spread([len(files) / run.wall for run in series], 0),
                spread([run.cpu * 1000 / len(files) for run in series], 1), peak,
                *("" if series is ours else spread(ratio, 2) for ratio in ratios)]) + " |", flush=True)


def spread(values, digits):
    return f"**{statistics.median(values):.{digits}f}** ({min(values):.{digits}f}–{max(values):.{digits}f})"


class Run:
    """Seconds on the clock, seconds of CPU time, and the most memory of all its processes, in MB."""

    def __init__(self, wall, cpu, peak=None):
        self.wall, self.cpu, self.peak = wall, cpu, peak


class Program:
    """`worker classify` with the files in a list."""

    def __init__(self, args, files, threads):
        self.list = tempfile.NamedTemporaryFile("w", suffix=".txt")
        self.list.write("\n".join(files))
        self.list.flush()
        self.count = len(files)
        self.command = [args.worker, "classify", f"@{self.list.name}", "--model", args.package, "--threads", str(threads),
                        "--format", "jsonl"]

    def run(self):
        before, start = os.times(), time.perf_counter()
        process = subprocess.Popen([str(part) for part in self.command], stdout=subprocess.PIPE)
        memory = Memory(process.pid)
        rows = process.stdout.read()
        if process.wait() != 0 or rows.count(b'"status":"ok"') != self.count:
            raise SystemExit("worker did not classify every image")
        wall, after = time.perf_counter() - start, os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Run(wall, cpu, memory.stop())


class Memory(threading.Thread):
    """Watches the resident memory of a process and its children; pages that they share count twice."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.done = pid, 0, threading.Event()
        self.start()

    def run(self):
        while not self.done.wait(0.02):
            try:
                children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
                pids = [self.pid, *children]
                for task in Path(f"/proc/{self.pid}/task").iterdir():
                    pids += (task / "children").read_text().split()
                self.most = max(self.most, sum(map(resident, set(map(int, pids)))))
            except OSError:
                pass  # it ended while we looked

    def stop(self):
        self.done.set()
        self.join()
        return self.most / 2**20


def resident(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Peer:
    """Python processes, each with its share of the files; they live through all rounds and are timed at work only."""

    def __init__(self, package, files, threads, draft):
        spawn = multiprocessing.get_context("spawn")
        self.pipes = []
        for number in range(threads):
            here, there = spawn.Pipe()
            share = files[number::threads]
            spawn.Process(target=serve, args=(there, package, share, draft), daemon=True).start()
            self.pipes.append(here)
        for pipe in self.pipes:
            pipe.recv()

    def run(self):
        start = time.perf_counter()
        for pipe in self.pipes:
            pipe.send("go")
        cpu = sum(pipe.recv() for pipe in self.pipes)
        return Run(time.perf_counter() - start, cpu)


def serve(pipe, package, files, draft):
    """One process of a peer; `draft` is None where it only infers."""
    import json

    import numpy as np
    import onnxruntime
    from PIL import Image, ImageOps

    spec = tomllib.loads((package / "model.toml").read_text(encoding="utf-8"))
    spec, output = spec["input"], spec["output"]
    if spec["resize"] != "shorter-side" or spec.get("layout", "NCHW") != "NCHW":
        raise SystemExit("the peers know shorter-side and NCHW only")
    shorter, width, height = spec["resize_to"], spec["width"], spec["height"]
    labels = (package / "labels.txt").read_text(encoding="utf-8").splitlines()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(package / "model.onnx", options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    factor = 1 / (np.float32(spec["std"]) * np.float32(spec["scale"]))
    shift = np.float32(spec["mean"]) / np.float32(spec["std"])

    def tensor(data):
        image = Image.open(io.BytesIO(data))
        if draft:
            image.draft("RGB", (2 * shorter, 2 * shorter))
        image = ImageOps.exif_transpose(image).convert("RGB")
        ratio = shorter / min(image.size)
        size = round(image.width * ratio), round(image.height * ratio)
        image = image.resize(size, Image.Resampling.BILINEAR)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        pixels = np.asarray(image.crop((left, top, left + width, top + height)), np.float32)
        if spec.get("channels") == "BGR":
            pixels = pixels[:, :, ::-1]
        return np.ascontiguousarray((pixels * factor - shift).transpose(2, 0, 1)[None])

    def row(file, values):
        values = values.reshape(-1)
        if output["kind"] == "logits":
            values = np.exp(values - values.max())
            values /= values.sum()
        top = np.argsort(-values)[:5]
        return json.dumps({"image": file, "top": [{"label": labels[at], "score": float(values[at])} for at in top]})

    noise = np.random.default_rng(1).random((1, 3, height, width), np.float32)
    session.run(None, {name: noise})
    pipe.send("ready")
    while pipe.recv():
        before = time.process_time()
        for file in files:
            given = noise if draft is None else tensor(Path(file).read_bytes())
            row(file, session.run(None, {name: given})[0])
        pipe.send(time.process_time() - before)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit(0)
