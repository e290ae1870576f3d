"""Models of images, each with an example."""

from __future__ import annotations

from typing import Any

Made = tuple[Any, Any]


def efficientnet_pytorch() -> Made:
    import torch
    from efficientnet_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-b0", override_params={"num_classes": 5}).eval()
    return model, (torch.rand(1, 3, 64, 64),)


def pytorch_msssim() -> Made:
    import torch
    from pytorch_msssim import SSIM

    return SSIM(data_range=1.0, size_average=True, channel=3), (
        torch.rand(1, 3, 32, 32),
        torch.rand(1, 3, 32, 32),
    )


def vector_quantize_pytorch() -> Made:
    import torch
    from vector_quantize_pytorch import ResidualVQ

    return ResidualVQ(dim=8, num_quantizers=2, codebook_size=16).eval(), (torch.rand(1, 6, 8),)


def kornia() -> Made:
    import torch
    from kornia.filters import GaussianBlur2d

    return GaussianBlur2d((3, 3), (1.0, 1.0)), (torch.rand(1, 1, 8, 8),)
