"""Makes a kernel."""

from gpytorch.kernels import RBFKernel, ScaleKernel


def make() -> ScaleKernel:
    """A scaled RBF kernel with a length for each of three dimensions."""
    return ScaleKernel(RBFKernel(ard_num_dims=3)).eval()
