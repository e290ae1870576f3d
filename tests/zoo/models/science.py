"""Models of science, of probability and of spiking neurons, each with an example."""

from __future__ import annotations

from typing import Any

Made = tuple[Any, Any]


def neuralop() -> Made:
    import torch
    from neuralop.models import FNO

    model = FNO(n_modes=(4, 4), hidden_channels=8, in_channels=1, out_channels=1, n_layers=1)
    return model.eval(), (torch.rand(1, 1, 8, 8),)


def deepxde() -> Made:
    import os

    os.environ["DDE_BACKEND"] = "pytorch"
    import torch
    from deepxde.nn.pytorch import FNN

    return FNN([2, 4, 1], "tanh", "Glorot normal"), (torch.rand(3, 2),)


def torchdiffeq() -> Made:
    import torch
    from torchdiffeq import odeint

    from models.functions.curves import Decay

    return odeint, (Decay(), torch.rand(2), torch.linspace(0, 1, 3))


def torchsde() -> Made:
    import torch
    from torchsde import sdeint

    from models.functions.curves import Walk

    return sdeint, (Walk(), torch.rand(3, 2), torch.linspace(0, 1, 3))


def geoopt() -> Made:
    import geoopt
    import torch

    return geoopt.PoincareBall().dist, (torch.rand(3) / 3, torch.rand(3) / 3)


def pypose() -> Made:
    import pypose
    import torch

    return pypose.module.IMUPreintegrator(), {
        "dt": torch.ones(1, 2, 1),
        "gyro": torch.rand(1, 2, 3),
        "acc": torch.rand(1, 2, 3),
    }


def zuko() -> Made:
    import torch
    from zuko.flows import NSF

    return NSF(2, transforms=1, hidden_features=[4])().log_prob, (torch.rand(3, 2),)


def nflows() -> Made:
    import torch
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow
    from nflows.transforms import MaskedAffineAutoregressiveTransform

    model = Flow(MaskedAffineAutoregressiveTransform(features=2, hidden_features=4), StandardNormal([2]))
    return model.log_prob, (torch.rand(3, 2),)


def normflows() -> Made:
    import normflows
    import torch

    base = normflows.distributions.DiagGaussian(2)
    flow = normflows.flows.AffineCouplingBlock(normflows.nets.MLP([1, 4, 2], init_zeros=True))
    return normflows.NormalizingFlow(base, [flow]), (torch.rand(3, 2),)


def FrEIA() -> Made:
    import torch
    from FrEIA.framework import SequenceINN
    from FrEIA.modules import PermuteRandom

    model = SequenceINN(4)
    model.append(PermuteRandom, seed=0)
    return model, ((torch.rand(2, 4)),)


def sbi() -> Made:
    import torch
    from sbi.neural_nets.embedding_nets import FCEmbedding

    return FCEmbedding(input_dim=4, output_dim=2, num_hiddens=4), (torch.rand(2, 4),)


def snntorch() -> Made:
    import snntorch
    import torch

    return torch.nn.Sequential(torch.nn.Linear(4, 4), snntorch.Leaky(beta=0.9, init_hidden=True)), (
        torch.rand(2, 4),
    )


def ptwt() -> Made:
    import torch
    from ptwt import wavedec

    return wavedec, (torch.rand(1, 16), "haar")
