"""The building blocks of residual networks (He, Zhang, Ren and Sun, 2015, arXiv:1512.03385)."""

from torch import Tensor, nn


def convolution(inputs: int, outputs: int, *, size: int, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the image's size (divided by `stride`), then batch normalisation.

    Section 3.4 of the paper puts the normalisation right after each convolution; it has an offset of
    its own, so the convolution needs none.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Residual(nn.Module):
    """Two 3 x 3 convolutions and a shortcut around them (figure 2, and the left of figure 5)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(inputs, outputs, size=3, stride=stride),
            nn.ReLU(inplace=True),
            convolution(outputs, outputs, size=3),
        )
        # Where the shapes differ the shortcut is a 1 x 1 convolution: option B of section 3.3.
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else convolution(inputs, outputs, size=1, stride=stride)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        return self.activation(self.body(images) + self.shortcut(images))
