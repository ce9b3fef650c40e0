#!/usr/bin/env python3
"""Exports common architectures with random weights as packages with reference outputs: the zoo that inference is
compared with ONNX Runtime on.

    pip install numpy pillow onnx onnxruntime onnxscript torch torchvision
    models/export.py FOLDER [NAME…]
    cargo run --release -p inference --example compare -- FOLDER 100

Untrained networks answer every image alike, and a comparison of flat scores would pass whatever the runtime does. So
normalisation layers get the statistics of their inputs, and the last layer is scaled until the scores of two unlike
inputs differ.
"""
import argparse
import sys
import tempfile
from pathlib import Path

import torch
import torchvision

import package
import reference

CLASSES = 1000
# Name: architecture, exporter (`script` traces, `dynamo` is PyTorch's new one), opset, fixed batch (None: dynamic).
ZOO = {
    "mobilenet_v2": ("mobilenet_v2", "script", 17, None),
    "mobilenet_v2-dynamo": ("mobilenet_v2", "dynamo", 18, None),
    "mobilenet_v2-opset9": ("mobilenet_v2", "script", 9, None),
    "mobilenet_v2-half": ("mobilenet_v2", "half", 17, None),
    "mobilenet_v3_small": ("mobilenet_v3_small", "script", 11, None),
    "mobilenet_v3_large": ("mobilenet_v3_large", "dynamo", 20, None),
    "resnet18": ("resnet18", "script", 7, None),
    "resnet18-batch4": ("resnet18", "script", 13, 4),
    "resnet50": ("resnet50", "script", 12, None),
    "resnet50-dynamo": ("resnet50", "dynamo", 21, None),
    "efficientnet_b0": ("efficientnet_b0", "script", 15, None),
    "efficientnet_b0-dynamo": ("efficientnet_b0", "dynamo", 18, None),
    "shufflenet_v2": ("shufflenet_v2_x1_0", "script", 17, None),
    "shufflenet_v2-batch4": ("shufflenet_v2_x1_0", "script", 10, 4),
    "shufflenet_v2-dynamo": ("shufflenet_v2_x1_0", "dynamo", 18, None),
    "squeezenet1_1": ("squeezenet1_1", "script", 8, None),
    "squeezenet1_1-dynamo": ("squeezenet1_1", "dynamo", 18, None),
    "densenet121": ("densenet121", "script", 14, None),
    "densenet121-dynamo": ("densenet121", "dynamo", 18, 1),
    "vit_b_16": ("vit_b_16", "script", 17, None),
    "vit_b_16-dynamo": ("vit_b_16", "dynamo", 18, None),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ZOO)}; default: all")
    args = parser.parse_args()
    failed = []
    for name in args.names or ZOO:
        try:
            make(name, args.folder / name)
        except (Exception, SystemExit) as error:  # one exporter's refusal must not hide the others; it is listed and counts
            failed.append(f"{name}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    if failed:
        sys.exit("not exported:\n" + "\n".join(failed))


def make(name, target):
    """Exports one line of the zoo as a package in `target`."""
    architecture, exporter, opset, batch = ZOO[name]
    model = lively(architecture)
    with tempfile.TemporaryDirectory() as temporary:
        path, labels = Path(temporary) / "model.onnx", Path(temporary) / "labels.txt"
        export(model, path, exporter, opset, batch)
        labels.write_text("".join(f"class {index}\n" for index in range(CLASSES)))
        arguments = [str(path), str(target), "--labels", str(labels), "--preset", "torchvision", "--size", "224", "224"]
        package.make(package.arguments([*arguments, "--name", name, "--drawings", "2"]))
    # ONNX Runtime computes a half-precision graph in half precision, we in single.
    reference.write_outputs(target, 5e-3 if exporter == "half" else 1e-4)


def lively(architecture):
    """The architecture with random weights that make its answers depend on the input."""
    torch.manual_seed(7)
    model = getattr(torchvision.models, architecture)(weights=None, num_classes=CLASSES).eval()
    two = torch.cat([torch.from_numpy(reference.pattern(3 * 224 * 224, seed).reshape(1, 3, 224, 224)) for seed in (0, 1)])
    with torch.no_grad():
        normalise(model, two)
        last = [layer for layer in model.modules() if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d))][-1]
        if not last.weight.any():  # a vision transformer starts with a head of zeros
            last.weight.normal_(0, 0.02)
        weight = last.weight.clone()

        def difference(scale):
            last.weight.copy_(weight * scale)
            scores = model(two).softmax(1)
            return (scores[0] - scores[1]).abs().max()

        # The smallest scale that is sharp enough: sharper than a trained network, rounding would show as a difference.
        difference(max((2.0 ** power for power in range(-2, 9)), key=lambda scale: min(difference(scale), 0.1)))
    return model


def normalise(model, images):
    """Statistics of each batch normalisation as if it had been trained: those of its own input, so that values neither
    vanish nor explode, with random scales and shifts."""
    def before(layer, inputs):
        values = inputs[0]
        layer.running_mean.copy_(values.mean((0, 2, 3)))
        layer.running_var.copy_(values.var((0, 2, 3), unbiased=False) + 1e-3)
        layer.weight.uniform_(0.7, 1.3)
        layer.bias.normal_(0, 0.3)
    hooks = [layer.register_forward_pre_hook(before) for layer in model.modules()
             if isinstance(layer, torch.nn.BatchNorm2d)]
    model(images)
    for hook in hooks:
        hook.remove()


def export(model, path, exporter, opset, batch):
    """Writes the graph with one of PyTorch's exporters."""
    example = torch.randn(batch or 2, 3, 224, 224)
    names = {"input_names": ["input"], "output_names": ["logits"], "opset_version": opset}
    if exporter == "dynamo":
        shapes = None if batch else ({0: torch.export.Dim("batch")},)
        torch.onnx.export(model, (example,), str(path), dynamo=True, dynamic_shapes=shapes, **names)
        return
    if exporter == "half":
        model, example = model.half(), example.half()
    axes = None if batch else {"input": {0: "batch"}, "logits": {0: "batch"}}
    torch.onnx.export(model, (example,), str(path), dynamo=False, dynamic_axes=axes, **names)


if __name__ == "__main__":
    main()
