"""ResNet-18, written from table 1 of the paper (He, Zhang, Ren and Sun, 2015, arXiv:1512.03385)."""

from torch import Tensor, nn

from models.layers import Residual, convolution

# Channels of the four stages; every stage but the first halves the image.
STAGES = (64, 128, 256, 512)


class ResNet(nn.Module):
    """A residual network: images [N, 3, H, W] to scores [N, classes]."""

    def __init__(self, *, blocks: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            convolution(3, STAGES[0], size=7, stride=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        layers: list[nn.Module] = []
        inputs = STAGES[0]
        for stage, (outputs, depth) in enumerate(zip(STAGES, blocks)):
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(Residual(inputs, outputs, stride=stride))
                inputs = outputs
        self.stages = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # The initialisation that the paper takes from He et al., arXiv:1502.01852.
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        features = self.stages(self.stem(images))
        return self.head(features.mean(dim=(2, 3)))


def resnet18(classes: int) -> ResNet:
    """The 18-layer network: two blocks in each of the four stages."""
    return ResNet(blocks=(2, 2, 2, 2), classes=classes).eval()
