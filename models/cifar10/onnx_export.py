"""The trained network as an ONNX graph and a model package: normalisations folded away, weights stored in a byte."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from data import LABELS
from network import MEAN, STD, WIDTHS, Network

OPSET = 17
SIDE = 32  # pixels of an image
LEVELS = 63  # of a weight to either side of zero: seven bits, which pack better than eight and change no accuracy
PACKAGE_SCRIPT = Path(__file__).resolve().parent.parent / "package.py"
GOLDEN = Path(__file__).resolve().parent / "golden"  # drawn pictures with a clear class, of the input's size


def write_package(snapshots: list[Network], out: Path) -> None:
    """Write `model.onnx`, `model.toml`, `labels.txt` and `golden.jsonl` into folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(to_onnx(snapshots), out / "model.onnx")
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder) / "labels.txt"
        labels.write_text("".join(f"{label}\n" for label in LABELS))
        command = [sys.executable, PACKAGE_SCRIPT, out / "model.onnx", out, "--labels", labels, "--name", "cifar10"]
        command += ["--description", "CIFAR-10: ten classes of animals and vehicles", "--preset", "unit"]
        command += ["--kind", "logits", "--mean", *map(str, MEAN), "--std", *map(str, STD)]
        for image in sorted(GOLDEN.glob("*.png")):
            command += ["--image", image]
        subprocess.run(command, check=True)


def to_onnx(snapshots: list[Network]) -> onnx.ModelProto:
    """The graph `input` float32 [N,3,32,32] -> `logits` float32 [N,10] of calibrated networks.

    The logits are the mean of those of each network for the image, and of the last one for its mirror image: right more
    often than any of them.
    """
    graph = Graph()
    reversal = graph.constant("reversal", np.arange(SIDE - 1, -1, -1))
    mirrored = graph.node("Gather", ["input", reversal], "mirrored", axis=3)
    logits = ""
    for number, net in enumerate(snapshots, start=1):
        name = f"net{number}."
        x = features(graph, net, "input", name, "")
        if net is snapshots[-1]:
            # The head is linear: once for both.
            x = graph.node("Add", [x, features(graph, net, mirrored, name, "mirrored.")], f"{name}features")
        weight = net.head.weight.detach().double().numpy() / WIDTHS[-1] / (len(snapshots) + 1)
        inputs = [x, graph.constant(f"{name}head.weight", weight.astype(np.float32)), *([logits] if logits else [])]
        logits = graph.node("Gemm", inputs, f"{name}logits" if net is not snapshots[-1] else "logits", transB=1)
    body = helper.make_graph(
        graph.nodes,
        "cifar10",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])],
        list(graph.initializers.values()),
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def features(graph: "Graph", net: Network, x: str, name: str, view: str) -> str:
    """What the head reads of image `x`, [N, last width]. Weights begin with `name`, the nodes of this view with `view` too."""
    x = graph.relu(graph.conv(x, f"{name}whiten", view, *arrays(net.whiten), pad=0))
    for number, group in enumerate(net.groups, start=1):

        def conv(x: str, layer: str, number=number, group=group) -> str:
            weights = folded(getattr(group, layer), getattr(group, f"{layer}_norm"))
            return graph.conv(x, f"{name}group{number}.{layer}", view, *weights)

        # Its affine map grows with its input, so normalisation and ReLU can go before the pooling.
        x = graph.relu(conv(x, "first"))
        x = graph.node("MaxPool", [x], f"{view}{name}group{number}.pooled", kernel_shape=[2, 2], strides=[2, 2])
        y = conv(graph.relu(conv(x, "second")), "third")
        x = graph.relu(graph.node("Add", [y, x], f"{view}{name}group{number}.sum"))
    x = graph.node("MaxPool", [x], f"{view}{name}pooled", kernel_shape=[3, 3], strides=[3, 3])
    return graph.node("Flatten", [x], f"{view}{name}flat", axis=1)


class Graph:
    """Nodes and weights under construction. Values are passed on by name; weights of one name are there once."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: np.ndarray) -> str:
        self.initializers[name] = numpy_helper.from_array(values, name)
        return name

    def conv(self, x: str, name: str, view: str, weight: np.ndarray, bias: np.ndarray, pad: int = 1) -> str:
        """A byte for each weight, and a step for each output, which multiplies the sum: that costs runtimes less when they
        load the graph than weights that have to be made first, and is folded into the convolution as well."""
        steps = np.abs(weight).max((1, 2, 3)) / LEVELS
        levels = f"{name}.levels"
        if f"{name}.bytes" not in self.initializers:
            whole = np.rint(weight / steps[:, None, None, None]).astype(np.int8)
            self.node("Cast", [self.constant(f"{name}.bytes", whole)], levels, to=TensorProto.FLOAT)
        inputs = [x, levels, self.constant(f"{name}.bias", (bias / steps).astype(np.float32))]
        shape = {"kernel_shape": [3, 3], "pads": [pad] * 4, "strides": [1, 1]}
        sums = self.node("Conv", inputs, f"{view}{name}.sums", **shape)
        steps = self.constant(f"{name}.steps", steps.astype(np.float32)[:, None, None])
        return self.node("Mul", [sums, steps], f"{view}{name}")

    def relu(self, x: str) -> str:
        return self.node("Relu", [x], f"{x}.relu")


def arrays(conv: nn.Conv2d) -> tuple[np.ndarray, np.ndarray]:
    """Weight [O,I,3,3] and bias [O], float64."""
    return conv.weight.detach().double().numpy(), conv.bias.detach().double().numpy()


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[np.ndarray, np.ndarray]:
    """Weight [O,I,3,3] and bias [O] of the convolution and the normalisation after it in one, float64."""
    gain = 1 / (norm.running_var.double() + norm.eps).sqrt()
    bias = norm.bias.detach().double() - norm.running_mean.double() * gain
    return (conv.weight.detach().double() * gain.view(-1, 1, 1, 1)).numpy(), bias.numpy()
