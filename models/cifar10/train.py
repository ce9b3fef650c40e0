"""Train the built-in classifier on CIFAR-10 and write its model package.

    python train.py --train train.parquet --test test.parquet --out package

Without --train and --test the data comes from its official source. Every epoch ends with a checkpoint in --work;
started again with the same arguments, the run goes on from there. The test images are looked at once, at the end.
"""

import argparse
import copy
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads work on whole micro-batches: see `Trainer`

import torch
from torch import Tensor
from torch.nn import functional as F

import data
from network import Network
from onnx_export import write_package
from schedule import CYCLES, EPOCHS, cycles_done, place

STEP = 2000  # images per optimiser step
MICRO = 250  # images per forward and backward pass, and per normalisation
SMOOTHING = 0.2
FILTER_RATE, FILTER_MOMENTUM = 0.24, 0.6
BIAS_RATE, HEAD_RATE, MOMENTUM = 0.053, 0.67, 0.85
DECAY = 2e-6 * STEP
CALIBRATION = 10_000  # images that set the statistics of the normalisations
WHITEN_BIAS_EPOCHS = 3  # then the first layer is frozen entirely, which saves its gradient


class Muon:
    """Steps of orthogonalised Nesterov momentum for filters [O,I,3,3], which are kept at norm sqrt(O).

    After Keller Jordan's Muon: the momentum matrix [O,9*I] is replaced by the nearest semi-orthogonal one, found
    with three Newton-Schulz iterations.
    """

    def __init__(self, filters: list[Tensor]) -> None:
        self.filters = filters
        self.momenta = [torch.zeros_like(f) for f in filters]

    @torch.no_grad()
    def step(self, gradients: list[Tensor], rate: float) -> None:
        for weight, gradient, momentum in zip(self.filters, gradients, self.momenta, strict=True):
            momentum.mul_(FILTER_MOMENTUM).add_(gradient)
            update = gradient + FILTER_MOMENTUM * momentum
            weight.mul_(len(weight) ** 0.5 / weight.norm())
            weight.sub_(orthogonal(update.flatten(1)).view_as(weight), alpha=rate)


def orthogonal(x: Tensor) -> Tensor:
    """The semi-orthogonal matrix nearest to `x` [R,C], R <= C or not, roughly: singular values near 1."""
    if len(x) > x.shape[1]:
        return orthogonal(x.T).T
    x = x / (x.norm() + 1e-7)
    for _ in range(3):
        a = x @ x.T
        x = 3.4445 * x + (2.0315 * a @ a - 4.7750 * a) @ x
    return x


class Trainer:
    """Runs the micro-batches of a step on several threads, one core each, without a barrier inside a pass.

    Gradients are summed in the order of the micro-batches, so the result does not depend on the timing.
    """

    def __init__(self, images: data.Images, threads: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.images = images
        self.augmented = data.Augmented(images, seed)
        self.net = Network()
        self.net.set_whitening(data.Images(images.pixels[:5000], images.labels[:5000]).normalised())
        self.net.to(memory_format=torch.channels_last)
        named = [(n, p) for n, p in self.net.named_parameters() if p.requires_grad]
        self.filters = [p for _, p in named if p.dim() == 4]
        self.others = [p for n, p in named if p.dim() != 4]
        self.muon = Muon(self.filters)
        groups = [
            {"params": [p], "lr": rate, "weight_decay": DECAY / rate, "rate": rate}
            for p in self.others
            for rate in [HEAD_RATE if p is self.net.head.weight else BIAS_RATE]
        ]
        self.sgd = torch.optim.SGD(groups, lr=BIAS_RATE, momentum=MOMENTUM, nesterov=True)
        self.done = 0
        self.pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def run_epoch(self) -> tuple[float, float]:
        """One pass over the training images: mean loss and accuracy on the augmented images."""
        self.net.train()
        if self.done == WHITEN_BIAS_EPOCHS:
            self.net.whiten.bias.requires_grad_(False)
        filters = len(self.filters)
        trained = [p for p in self.filters + self.others if p.requires_grad]
        cycle, passed, phase = place(self.done)
        batches = self.augmented.epoch(self.done, STEP)
        loss_sum = right_sum = 0.0
        for number, (indices, draws) in enumerate(batches):

            def micro(start: int, indices=indices, draws=draws) -> tuple[float, int, tuple[Tensor, ...]]:
                part = slice(start, start + MICRO)
                x, y = self.augmented.batch(self.done, indices[part], draws[part], phase.side, phase.strong)
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    logits = self.net(x)
                loss = F.cross_entropy(logits.float(), y, label_smoothing=SMOOTHING, reduction="sum")
                right = int((logits.argmax(1) == y.argmax(1)).sum())
                return loss.item(), right, torch.autograd.grad(loss, trained)

            total: list[Tensor] | None = None
            for loss, right, gradients in self.pool.map(micro, range(0, STEP, MICRO)):
                loss_sum, right_sum = loss_sum + loss, right_sum + right
                total = list(gradients) if total is None else [a.add_(b) for a, b in zip(total, gradients, strict=True)]
            share = cycle.share(passed + number / len(batches))
            for group in self.sgd.param_groups:
                group["lr"] = group["rate"] * share
            for parameter, gradient in zip(trained[filters:], total[filters:], strict=True):
                parameter.grad = gradient
            self.sgd.step()
            self.sgd.zero_grad()
            self.muon.step(total[:filters], FILTER_RATE * share)
        self.done += 1
        seen = len(batches) * STEP
        return loss_sum / seen, right_sum / seen

    def calibrate(self, count: int = CALIBRATION) -> None:
        """Evaluation mode, with normalisation statistics from `count` training images as they are."""
        chosen = torch.randperm(len(self.images), generator=torch.Generator().manual_seed(0))[:count]
        self.net.calibrate([data.Images(self.images.pixels[c], c).normalised() for c in chosen.split(500)])

    def accuracy(self, images: data.Images) -> float:
        """Share of `images` whose highest logit is their label's."""
        with torch.no_grad():
            logits = torch.cat([self.net(x) for x in images.normalised().split(500)])
        return (logits.argmax(1) == images.labels).double().mean().item()

    def save(self, path: Path) -> None:
        state = {
            "net": self.net.state_dict(),
            "sgd": self.sgd.state_dict(),
            "muon": self.muon.momenta,
            "done": self.done,
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.sgd.load_state_dict(state["sgd"])
        self.muon.momenta = state["muon"]
        self.done = state["done"]
        self.net.whiten.bias.requires_grad_(self.done < WHITEN_BIAS_EPOCHS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, help="Parquet file: columns image (encoded bytes), label (0-9)")
    parser.add_argument("--test", type=Path, help="the same, for the final measurement")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model package")
    parser.add_argument("--work", type=Path, default=Path("work"), help="checkpoints and fetched data")
    parser.add_argument("--holdout", type=int, default=0, help="training images kept for choices, shown each epoch")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if (args.train is None) != (args.test is None):
        parser.error("give both --train and --test, or neither")
    args.work.mkdir(parents=True, exist_ok=True)
    train, test = (
        (data.from_parquet(args.train), data.from_parquet(args.test)) if args.train else data.official(args.work)
    )
    keep = len(train) - args.holdout
    held = data.Images(train.pixels[keep:], train.labels[keep:])
    trainer = Trainer(data.Images(train.pixels[:keep], train.labels[:keep]), args.threads, args.seed)
    checkpoint = args.work / "checkpoint.pt"
    if checkpoint.exists():
        trainer.load(checkpoint)
        print(f"going on after epoch {trainer.done}", flush=True)
    while trainer.done < EPOCHS:
        start = time.monotonic()
        loss, accuracy = trainer.run_epoch()
        seconds = time.monotonic() - start
        line = f"epoch {trainer.done}/{EPOCHS} loss {loss:.4f} accuracy {accuracy:.4f} {seconds:.0f} s"
        if cycles_done(trainer.done) > cycles_done(trainer.done - 1):
            torch.save(trainer.net.state_dict(), snapshot(args.work, cycles_done(trainer.done)))
        trainer.save(checkpoint)
        if args.holdout:
            trainer.calibrate()
            line += f" held out {trainer.accuracy(held):.4f}"
        print(line, flush=True)
    snapshots = []
    for number in range(1, len(CYCLES) + 1):
        trainer.net.load_state_dict(torch.load(snapshot(args.work, number), weights_only=True))
        trainer.calibrate()
        print(f"test images, network {number} by itself: {trainer.accuracy(test):.4f}", flush=True)
        snapshots.append(copy.deepcopy(trainer.net))
    write_package(snapshots, args.out)


def snapshot(work: Path, cycle: int) -> Path:
    """Where the network at the end of a cycle, counted from 1, is kept."""
    return work / f"network{cycle}.pt"


if __name__ == "__main__":
    main()
