"""The network: a frozen whitening convolution, three groups of three 3x3 convolutions, one linear layer.

The layout follows the CIFAR-10 speed runs of David Page and Keller Jordan (see README.md); the code is ours.
Only 3x3 convolutions, ReLU, max-pooling and one matrix product: what CPU runtimes do best.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)
WHITE = 16  # whitening directions; each is used with both signs
WIDTHS = (96, 256, 256)
CLASSES = 10


class Group(nn.Module):
    """A 3x3 convolution with 2x2 max-pooling, then two around which its result is added. [N,I,S,S] -> [N,O,S//2,S//2]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.first_norm = norm(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = norm(outputs)
        self.third = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.third_norm = norm(outputs)
        for conv in (self.first, self.second, self.third):
            # The first `inputs` filters start as the identity, so that depth costs nothing at the start.
            nn.init.dirac_(conv.weight.data[: conv.in_channels])

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first_norm(F.max_pool2d(self.first(x), 2)))
        y = F.relu(self.second_norm(self.second(x)))
        return F.relu(self.third_norm(self.third(y)) + x)


class Network(nn.Module):
    """Normalised images [N,3,32,32] (smaller in the first part of the training) -> logits [N,10]."""

    def __init__(self) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, 2 * WHITE, 3)
        self.whiten.weight.requires_grad_(False)
        nn.init.zeros_(self.whiten.bias)
        inputs = (2 * WHITE, *WIDTHS[:-1])
        self.groups = nn.ModuleList(Group(i, o) for i, o in zip(inputs, WIDTHS, strict=True))
        self.head = nn.Linear(WIDTHS[-1], CLASSES, bias=False)
        self.head.weight.data /= self.head.weight.data.std()

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.whiten(x))
        for group in self.groups:
            x = group(x)
        return self.head(x.amax((2, 3))) / WIDTHS[-1]

    @torch.no_grad()
    def set_whitening(self, images: Tensor, eps: float = 5e-4) -> None:
        """Fit the first convolution to `images` [N,3,32,32]: its outputs are uncorrelated, of unit variance."""
        patches = F.unfold(images, 3).transpose(1, 2).reshape(-1, 27).double()
        patches -= patches.mean(0)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        values, vectors = values.flip(0)[:WHITE], vectors.flip(1)[:, :WHITE]
        filters = (vectors / (values + eps).sqrt()).T.reshape(WHITE, 3, 3, 3).float()
        self.whiten.weight.copy_(torch.cat((filters, -filters)))

    @torch.no_grad()
    def calibrate(self, batches: list[Tensor]) -> None:
        """Set the statistics of the normalisations to their mean over `batches`, and go to evaluation mode."""
        layers = [m for m in self.modules() if isinstance(m, nn.BatchNorm2d)]
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # a plain mean over the batches
        self.train()
        for batch in batches:
            self(batch)
        for layer in layers:
            layer.momentum = 0.0
        self.eval()


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation with a bias but no gain: the next layer could undo it.

    Momentum 0: training never reads the running statistics, and `Network.calibrate` sets them.
    """
    layer = nn.BatchNorm2d(channels, momentum=0.0)
    layer.weight.requires_grad_(False)
    return layer
