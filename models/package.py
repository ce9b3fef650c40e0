#!/usr/bin/env python3
"""Makes a model package from an ONNX graph: model.toml, labels.txt and golden.jsonl, with ONNX Runtime's scores.

    pip install numpy pillow onnx onnxruntime
    models/package.py model.onnx my-package --labels labels.txt --preset torchvision
    worker check my-package

What a preset does not fit is overridden by its option: see --help.
"""
import argparse
import base64
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from PIL import Image

import reference

PRESETS = {
    # torchvision's and most PyTorch models
    "torchvision": {"channels": "RGB", "resize": "shorter-side", "scale": 255.0, "mean": [0.485, 0.456, 0.406],
                    "std": [0.229, 0.224, 0.225]},
    # converted from Caffe: BGR, 0–255, mean subtracted
    "caffe": {"channels": "BGR", "resize": "shorter-side", "scale": 1.0, "mean": [104.0, 117.0, 123.0],
              "std": [1.0, 1.0, 1.0]},
    # values from -1 to 1: Keras' "tf" mode, Inception, many vision transformers
    "symmetric": {"channels": "RGB", "resize": "stretch", "scale": 127.5, "mean": [1.0] * 3, "std": [1.0] * 3},
    # values from 0 to 1
    "unit": {"channels": "RGB", "resize": "stretch", "scale": 255.0, "mean": [0.0] * 3, "std": [1.0] * 3},
    # values from 0 to 255: the graph normalises by itself
    "raw": {"channels": "RGB", "resize": "stretch", "scale": 1.0, "mean": [0.0] * 3, "std": [1.0] * 3},
}


def arguments(given=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="the graph; its external data is found beside it")
    parser.add_argument("package", type=Path, help="the directory to make")
    parser.add_argument("--labels", type=Path, required=True, help="one label a line, in the order of the classes")
    parser.add_argument("--preset", choices=PRESETS, required=True, help="how the model was trained")
    parser.add_argument("--name", help="default: the name of the package's directory")
    parser.add_argument("--version", default="1")
    parser.add_argument("--description")
    parser.add_argument("--input", help="name of the graph's input; needed if it has several")
    parser.add_argument("--output", help="name of the graph's output; needed if it has several")
    parser.add_argument("--kind", choices=["logits", "probabilities"], help="default: by looking at the output")
    parser.add_argument("--layout", choices=["NCHW", "NHWC"], help="default: by the input's shape")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="default: the input's shape")
    parser.add_argument("--channels", choices=["RGB", "BGR", "L"])
    parser.add_argument("--resize", choices=["shorter-side", "stretch", "letterbox"])
    parser.add_argument("--resize-to", type=int, help="shorter side before the crop; default: 256 for a 224 crop")
    parser.add_argument("--filter", choices=reference.FILTERS, default="bilinear")
    parser.add_argument("--fill", type=int, nargs=3, metavar=("R", "G", "B"), help="letterbox only")
    parser.add_argument("--full-decode", action="store_true", default=None, help="decode JPEGs at full size, however large")
    parser.add_argument("--scale", type=float)
    parser.add_argument("--mean", type=float, nargs="+")
    parser.add_argument("--std", type=float, nargs="+")
    parser.add_argument("--image", type=Path, action="append", default=[], help="a further golden input; repeatable")
    parser.add_argument("--drawings", type=int, default=4, help="number of drawn golden inputs")
    return parser.parse_args(given)


def make(args):
    """Makes the package that the arguments describe; says what is wrong with them instead."""
    runtime = reference.Runtime(args.model, args.input, args.output)
    spec = model_spec(args, runtime)
    labels = args.labels.read_text(encoding="utf-8").splitlines()
    golden, notes = golden_lines(spec, runtime, pictures(spec["input"], args), args.kind, labels)

    args.package.mkdir(parents=True, exist_ok=True)
    copy_graph(args.model, args.package)
    (args.package / "labels.txt").write_text("".join(label.strip() + "\n" for label in labels), encoding="utf-8")
    (args.package / "model.toml").write_text(toml(spec), encoding="utf-8")
    (args.package / "golden.jsonl").write_text("".join(json.dumps(line) + "\n" for line in golden), encoding="utf-8")
    print(f"{args.package}: {len(labels)} classes, {spec['output']['kind']}, {len(golden)} golden inputs")
    for note in notes:
        print(f"note: {note}")


def model_spec(args, runtime):
    """model.toml as a dictionary; its output's kind is not known yet."""
    layout, channels, (height, width) = input_shape(runtime.input.shape, args)
    spec = {"layout": layout, "height": height, "width": width, **PRESETS[args.preset]}
    if channels == 1:
        spec["channels"] = "L"
        spec["mean"], spec["std"] = spec["mean"][:1], spec["std"][:1]
    for key in ("channels", "resize", "resize_to", "filter", "fill", "full_decode", "scale", "mean", "std"):
        if getattr(args, key) is not None:
            spec[key] = getattr(args, key)
    if spec["resize"] == "shorter-side":
        spec.setdefault("resize_to", round(max(height, width) * 256 / 224))
    order = ["layout", "height", "width", "channels", "resize", "resize_to", "filter", "fill", "full_decode", "scale", "mean",
             "std"]
    spec = {key: spec[key] for key in order if key in spec}
    count = 1 if spec["channels"] == "L" else 3
    if channels not in (None, count):
        raise SystemExit(f"the graph wants {channels} channels, --channels {spec['channels']} has {count}")
    for key in ("mean", "std"):
        if len(spec[key]) != count:
            raise SystemExit(f"--{key} needs {count} numbers for --channels {spec['channels']}")
    name = args.name or args.package.resolve().name
    texts = {"name": name, "version": args.version, "description": args.description}
    return {**{key: text for key, text in texts.items() if text}, "input": {"name": runtime.input.name, **spec},
            "output": {"name": runtime.output.name}}


def input_shape(shape, args):
    """Layout, channels (None: not said by the graph) and (height, width) of an input of this shape."""
    if len(shape) != 4:
        raise SystemExit(f"the input has the shape {shape}; images need four axes")
    layout = args.layout or ("NHWC" if shape[3] in (1, 3) and shape[1] not in (1, 3) else "NCHW")
    channels, *sides = shape[1:] if layout == "NCHW" else (shape[3], shape[1], shape[2])
    if not all(isinstance(side, int) and side > 0 for side in sides):
        sides = args.size or [224, 224]
    if args.size and list(args.size) != list(sides):
        raise SystemExit(f"the graph wants {sides[0]}×{sides[1]}, not --size {args.size[0]} {args.size[1]}")
    return layout, channels if isinstance(channels, int) else None, sides


def pictures(spec, args):
    """Name and image of each golden input: drawn ones, larger than the tensor in both orientations, then the user's."""
    long, short = round(max(spec["width"], spec["height"]) * 1.6), round(max(spec["width"], spec["height"]) * 1.25)
    sizes = [(long, short), (short, long), (long, short), (short, short)]
    drawn = [(f"drawn-{index}", reference.draw(index, *sizes[index % 4])) for index in range(args.drawings)]
    return drawn + [(file.name, Image.open(file).convert("RGB")) for file in args.image]


def golden_lines(spec, runtime, inputs, kind, labels):
    """The lines of golden.jsonl; fills in the output's kind, and says what the lines could not notice."""
    tensors = [reference.preprocess(image, spec["input"]) for _, image in inputs]
    outputs = [runtime.run(tensor) for tensor in tensors]
    if len(outputs[0]) != len(labels):
        raise SystemExit(f"the graph has {len(outputs[0])} classes, the labels file has {len(labels)} lines")
    if not np.isfinite(outputs).all():
        raise SystemExit("the graph gives infinite values or NaN")
    spec["output"]["kind"] = kind or ("probabilities" if all(map(reference.are_probabilities, outputs)) else "logits")
    to_scores = reference.softmax if spec["output"]["kind"] == "logits" else lambda values: values
    scores = [to_scores(values) for values in outputs]
    lines = [golden_line(name, image, values) for (name, image), values in zip(inputs, scores)]

    channel_axis = 1 if spec["input"]["layout"] == "NCHW" else 3
    swapped = [to_scores(runtime.run(np.ascontiguousarray(np.flip(tensor, channel_axis)))) for tensor in tensors]
    differences = np.abs(np.array(swapped) - np.array(scores)).max()
    notes = []
    if spec["input"]["channels"] != "L" and differences < 0.01:
        notes.append("these inputs would not notice swapped channels: add photos with --image")
    if max(values.max() for values in scores) < 2 / len(labels):
        notes.append("no class stands out for any input: add photos that the model knows with --image")
    return lines, notes


def golden_line(name, image, scores):
    """One line: the image as PNG and its five highest scores."""
    top = np.argsort(-scores, kind="stable")[:5]
    return {"name": name, "image": base64.b64encode(reference.png(image)).decode(),
            "scores": [{"index": int(index), "score": round(float(scores[index]), 6)} for index in top]}


def copy_graph(model, package):
    """Copies the graph as model.onnx and the files of its external data beside it, under their own names."""
    graph = onnx.load(model, load_external_data=False).graph
    locations = {entry.value for tensor in graph.initializer for entry in tensor.external_data
                 if entry.key == "location"}
    for location in sorted(locations):
        if Path(location).name != location:
            raise SystemExit(f"external data lies in {location}: a package is flat; save it beside the graph")
        copy(model.parent / location, package / location)
    copy(model, package / "model.onnx")


def copy(source, target):
    if not (target.exists() and source.samefile(target)):
        shutil.copyfile(source, target)


def toml(spec):
    """`spec` as TOML: JSON's strings, numbers and lists are TOML's too."""
    tables = [(key, value) for key, value in spec.items() if isinstance(value, dict)]
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in spec.items()
             if not isinstance(value, dict)]
    for name, table in tables:
        lines += ["", f"[{name}]"] + [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    make(arguments())
