"""What an independent runtime says: Pillow's preprocessing and ONNX Runtime's scores for a model package.

Used by `package.py` (golden inputs) and `export.py` (reference outputs). Needs numpy, pillow, onnxruntime.
"""
import io
import json
import math
import random
import tomllib

import numpy as np
import onnxruntime
from PIL import Image, ImageDraw, ImageOps

FILTERS = {
    "nearest": Image.Resampling.NEAREST, "box": Image.Resampling.BOX, "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS,
}


def preprocess(image, spec):
    """The input tensor of one Pillow image, float32, with the batch axis; `spec` is the `[input]` of model.toml."""
    image = ImageOps.exif_transpose(image).convert("L" if spec["channels"] == "L" else "RGB")
    return normalise(pixels(image, spec), spec)


def pixels(image, spec):
    """What the tensor is made of: `[height, width, bands]` of the image, resized and cropped."""
    size = (spec["width"], spec["height"])
    filter = FILTERS[spec["filter"]]
    if spec["resize"] == "stretch":
        image = resize(image, size, filter)
    elif spec["resize"] == "letterbox":
        image = letterbox(image, size, filter, spec.get("fill", [0, 0, 0]))
    else:
        ratio = spec.get("resize_to", max(size)) / min(image.size)
        image = resize(image, (round(image.width * ratio), round(image.height * ratio)), filter)
        left, top = (image.width - size[0]) // 2, (image.height - size[1]) // 2
        image = image.crop((left, top, left + size[0], top + size[1]))
    return np.asarray(image, np.float32).reshape(size[1], size[0], -1)


def normalise(pixels, spec):
    """Pixels, `[height, width, channels]`, in the order and with the values that the model wants."""
    if spec["channels"] == "BGR":
        pixels = pixels[:, :, ::-1]
    pixels = (pixels / np.float32(spec["scale"]) - np.float32(spec["mean"])) / np.float32(spec["std"])
    if spec["layout"] == "NCHW":
        pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels[None], np.float32)


def resize(image, size, filter):
    """`image.resize` of Pillow 13, which resizes columns first where the height loses more than twice the pixels that
    the width loses; older versions always start with the rows, and differ by a rounding."""
    down = image.height - size[1]
    if down > 0 and down > 2 * (image.width - size[0]):
        image = image.resize((image.width, size[1]), filter)
    else:
        image = image.resize((size[0], image.height), filter)
    return image.resize(size, filter)


def letterbox(image, size, filter, fill):
    """The whole image, scaled to fit into `size` (width, height), centred on the colour `fill`."""
    ratio = min(size[0] / image.width, size[1] / image.height)
    small = resize(image, (max(1, round(image.width * ratio)), max(1, round(image.height * ratio))), filter)
    background = Image.new("RGB", size, tuple(fill)).convert(image.mode)
    background.paste(small, ((size[0] - small.width) // 2, (size[1] - small.height) // 2))
    return background


class Runtime:
    """A graph in ONNX Runtime, one image at a time."""

    def __init__(self, path, input=None, output=None):
        onnxruntime.set_default_logger_severity(3)
        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self.input = pick("input", self.session.get_inputs(), input)
        self.output = pick("output", self.session.get_outputs(), output)

    def run(self, tensor):
        """The values of the output for one input tensor `[1, …]`, flat, float32."""
        batch = self.input.shape[0]
        if isinstance(batch, int) and batch > 1:  # a graph exported for a fixed batch: only the first image counts
            tensor = np.repeat(tensor, batch, axis=0)
        kind = np.float16 if self.input.type == "tensor(float16)" else np.float32
        values = self.session.run([self.output.name], {self.input.name: tensor.astype(kind)})[0]
        return values.reshape(len(tensor), -1)[0].astype(np.float32)


def pick(what, choices, name):
    """The graph's input or output called `name`, or the only one."""
    if name is None and len(choices) == 1:
        return choices[0]
    names = [choice.name for choice in choices]
    if name not in names:
        raise SystemExit(f"the graph has the {what}s {', '.join(names)}: choose one with --{what}")
    return choices[names.index(name)]


def softmax(values):
    """Scores of logits, computed in float64."""
    values = np.exp(values.astype(np.float64) - values.max())
    return (values / values.sum()).astype(np.float32)


def are_probabilities(values):
    """Whether the values of one output can be scores already: none negative, sum 1."""
    return bool(values.min() >= 0 and abs(float(values.sum()) - 1) < 1e-3)


def pattern(length, seed):
    """A float32 tensor that any language can make again: fine noise, ((7919 i + 104729 seed) mod 257 - 128) / 128, on
    a slope, (⌊256 i / length⌋ - 128) / 64 for even seeds, 1 minus that for odd ones."""
    index = np.arange(length, dtype=np.int64)
    noise = (index * 7919 + 104729 * seed) % 257 - 128
    slope = 256 * index // length - 128
    return (noise / 128 + (slope / 64 if seed % 2 == 0 else 1 - slope / 64)).astype(np.float32)


def write_outputs(package, tolerance=1e-4):
    """Writes `reference.json` into a package: the outputs for the patterns with seed 0 and 1, and how far another
    runtime may be from them."""
    spec = tomllib.loads((package / "model.toml").read_text(encoding="utf-8"))
    channels = 1 if spec["input"]["channels"] == "L" else 3
    sides = [spec["input"]["height"], spec["input"]["width"]]
    shape = [1, channels, *sides] if spec["input"]["layout"] == "NCHW" else [1, *sides, channels]
    runtime = Runtime(package / "model.onnx", spec["input"]["name"], spec["output"]["name"])
    outputs = [runtime.run(pattern(math.prod(shape), seed).reshape(shape)) for seed in (0, 1)]
    text = json.dumps({"tolerance": tolerance, "outputs": [[float(f"{value:.8g}") for value in values]
                                                           for values in outputs]})
    (package / "reference.json").write_text(text + "\n", encoding="utf-8")
    return outputs


def draw(index, width, height):
    """Drawn picture number `index`: a sky, a ground, and some shapes; the same on every machine."""
    dice = random.Random(index)
    colour = lambda: tuple(dice.randrange(256) for _ in range(3))
    image = Image.new("RGB", (width, height))
    canvas = ImageDraw.Draw(image)
    above, below = colour(), colour()
    for row in range(height):
        part = row / height
        canvas.line([(0, row), (width, row)], tuple(round(a + (b - a) * part) for a, b in zip(above, below)))
    unit = min(width, height) / 8
    for _ in range(6):
        x, y, r = dice.uniform(0, width), dice.uniform(0, height), dice.uniform(unit / 2, unit * 2)
        shape = dice.randrange(3)
        if shape == 0:
            canvas.ellipse([x - r, y - r, x + r, y + r], fill=colour())
        elif shape == 1:
            canvas.rectangle([x - r, y - r / 2, x + r, y + r / 2], fill=colour())
        else:
            turn = dice.uniform(0, math.tau)
            corners = [(x + r * math.cos(turn + k * math.tau / 3), y + r * math.sin(turn + k * math.tau / 3))
                       for k in range(3)]
            canvas.polygon(corners, fill=colour())
    return image


def png(image):
    """The bytes of a PNG file of `image`."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
