"""Makes a small denoising UNet."""

from diffusers import UNet2DModel


def make() -> UNet2DModel:
    """Two levels for images of 16 by 16."""
    return UNet2DModel(
        sample_size=16,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    ).eval()
