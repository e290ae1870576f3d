"""A network that reads digits of 12 by 10 pixels."""

from torch import Tensor, nn


class Reader(nn.Module):
    """Gives a score for each of the ten digits."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(channels * 6 * 5, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def make(channels: int) -> Reader:
    """The network, which the target's `weights` fill."""
    return Reader(channels).eval()
