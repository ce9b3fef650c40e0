"""The trained network as an ONNX graph and a model package: normalisations folded away, weights stored as fp16."""

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
PACKAGE_SCRIPT = Path(__file__).resolve().parent.parent / "package.py"
GOLDEN = Path(__file__).resolve().parent / "golden"  # drawn pictures with a clear class, of the input's size


def write_package(net: Network, out: Path) -> None:
    """Write `model.onnx`, `model.toml`, `labels.txt` and `golden.jsonl` into folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(to_onnx(net), out / "model.onnx")
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder) / "labels.txt"
        labels.write_text("".join(f"{label}\n" for label in LABELS))
        command = [sys.executable, PACKAGE_SCRIPT, out / "model.onnx", out, "--labels", labels, "--name", "cifar10"]
        command += ["--description", "CIFAR-10: ten classes of animals and vehicles", "--preset", "unit"]
        command += ["--kind", "logits", "--mean", *map(str, MEAN), "--std", *map(str, STD)]
        for image in sorted(GOLDEN.glob("*.png")):
            command += ["--image", image]
        subprocess.run(command, check=True)


def to_onnx(net: Network) -> onnx.ModelProto:
    """The graph `input` float32 [N,3,32,32] -> `logits` float32 [N,10] of the calibrated `net`."""
    graph = Graph()
    x = graph.relu(graph.conv("input", "whiten", *arrays(net.whiten), pad=0))
    for number, group in enumerate(net.groups, start=1):
        # Its affine map grows with its input, so normalisation and ReLU can go before the pooling.
        x = graph.relu(graph.conv(x, f"group{number}.first", *folded(group.first, group.first_norm)))
        x = graph.node("MaxPool", [x], f"group{number}.pooled", kernel_shape=[2, 2], strides=[2, 2])
        x = graph.relu(graph.conv(x, f"group{number}.second", *folded(group.second, group.second_norm)))
    x = graph.node("MaxPool", [x], "pooled", kernel_shape=[3, 3], strides=[3, 3])
    x = graph.node("Flatten", [x], "features", axis=1)
    weight = net.head.weight.detach().double().numpy() / WIDTHS[-1]
    graph.node("Gemm", [x, graph.weight("head.weight", weight)], "logits", transB=1)
    body = helper.make_graph(
        graph.nodes,
        "cifar10",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])],
        graph.initializers,
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


class Graph:
    """Nodes and weights under construction. Values are passed on by name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def weight(self, name: str, values: np.ndarray) -> str:
        """Half the size on disk; runtimes fold the cast when they load the graph."""
        self.initializers.append(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        return self.node("Cast", [f"{name}.half"], name, to=TensorProto.FLOAT)

    def conv(self, x: str, name: str, weight: np.ndarray, bias: np.ndarray, pad: int = 1) -> str:
        self.initializers.append(numpy_helper.from_array(bias.astype(np.float32), f"{name}.bias"))
        inputs = [x, self.weight(f"{name}.weight", weight), f"{name}.bias"]
        return self.node("Conv", inputs, name, kernel_shape=[3, 3], pads=[pad] * 4, strides=[1, 1])

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
