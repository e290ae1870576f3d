"""Makes a UNet for images."""

from monai.networks.nets import UNet


def make() -> UNet:
    """Three levels in two dimensions."""
    return UNet(
        spatial_dims=2, in_channels=1, out_channels=2, channels=(4, 8, 16), strides=(2, 2), num_res_units=1
    ).eval()
