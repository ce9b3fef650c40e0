"""Which epochs see what, and how fast they learn: a first training, and a second one from where it ended.

The second starts at lower rates from a network that knows the images already, so that it can bear augmentation that would cost
a short training more than it gives. The networks at the end of both answer together: a snapshot ensemble.
"""

import itertools
from dataclasses import dataclass

KNEE = (9 / 16, 0.55)  # share of the epochs of a cycle, share of its peak


@dataclass(frozen=True)
class Phase:
    """Epochs that see images of one size (24 is half the work of 32) and one kind of augmentation."""

    epochs: int
    side: int
    strong: bool


@dataclass(frozen=True)
class Cycle:
    """Phases through which the rates fall from the share `peak` to zero: slowly until the knee, then fast."""

    peak: float
    phases: tuple[Phase, ...]

    @property
    def epochs(self) -> int:
        return sum(p.epochs for p in self.phases)

    def share(self, epoch: float) -> float:
        """Share of the rates at `epoch`, a fraction counted from the start of the cycle."""
        knee, level = KNEE[0] * self.epochs, KNEE[1]
        if epoch < knee:
            return self.peak * (1 - (1 - level) * epoch / knee)
        return self.peak * level * (self.epochs - epoch) / (self.epochs - knee)


CYCLES = (
    Cycle(1.0, (Phase(16, 24, strong=False), Phase(24, 32, strong=False))),
    Cycle(0.7, (Phase(10, 24, strong=True), Phase(22, 32, strong=True), Phase(4, 32, strong=False))),
)
EPOCHS = sum(c.epochs for c in CYCLES)


def place(epoch: int) -> tuple[Cycle, int, Phase]:
    """The cycle of `epoch`, counted from 0 through all cycles, how many of its epochs are done, and the phase."""
    for cycle in CYCLES:
        if epoch < cycle.epochs:
            ends = itertools.accumulate(p.epochs for p in cycle.phases)
            return cycle, epoch, next(p for p, end in zip(cycle.phases, ends, strict=True) if epoch < end)
        epoch -= cycle.epochs
    raise ValueError("after the last epoch")


def cycles_done(epochs: int) -> int:
    """How many cycles are over after so many epochs."""
    return sum(epochs >= end for end in itertools.accumulate(c.epochs for c in CYCLES))
