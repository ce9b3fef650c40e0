"""The sides that we are compared with, working on request (see rounds.py).

    peers.py onnxruntime MODEL.onnx     one thread, one image, as fast as its defaults make it
    peers.py pillow FILE…               decode (at reduced scale where that is possible), resize, crop, normalise
    peers.py pillow-full FILE…          the same without reduced scale
"""
import sys

import numpy as np


def onnxruntime(path):
    import onnxruntime as ort
    ort.set_default_logger_severity(3)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    kind = np.float16 if given.type == "tensor(float16)" else np.float32
    shape = [length if isinstance(length, int) else 1 for length in given.shape]
    if shape[0] > 1:
        raise SystemExit("exported for a batch")
    feed = {given.name: np.random.default_rng(1).random(shape, np.float32).astype(kind)}
    return lambda: session.run(None, feed)


def pillow(paths, draft):
    import io
    from PIL import Image, ImageOps
    files = [open(path, "rb").read() for path in paths]
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])

    def preprocess(data):
        image = Image.open(io.BytesIO(data))
        if draft:
            # What is left is at least twice as large as what it is resized to: the rule that we follow, too.
            image.draft("RGB", (512, 512))
        image = ImageOps.exif_transpose(image).convert("RGB")
        ratio = 256 / min(image.size)
        image = image.resize((round(image.width * ratio), round(image.height * ratio)), Image.Resampling.BILINEAR)
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
        return ((pixels / np.float32(255) - mean) / std).transpose(2, 0, 1)[None].copy()

    return lambda: [preprocess(data) for data in files]


def main():
    what, *arguments = sys.argv[1:]
    if what == "onnxruntime":
        work = onnxruntime(*arguments)
    else:
        work = pillow(arguments, draft=what == "pillow")
    work()
    print("ready", flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            work()
        print("done", flush=True)


if __name__ == "__main__":
    main()
