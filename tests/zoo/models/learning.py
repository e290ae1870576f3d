"""Models of reinforcement learning and of training, each with an example."""

from __future__ import annotations

from typing import Any

Made = tuple[Any, Any]


def stable_baselines3() -> Made:
    import torch
    from gymnasium.spaces import Box, Discrete
    from stable_baselines3.common.policies import ActorCriticPolicy

    model = ActorCriticPolicy(Box(-1, 1, (3,)), Discrete(2), lambda _: 1e-3)
    return model.eval(), (torch.rand(2, 3), True)


def tianshou() -> Made:
    import torch
    from tianshou.utils.net.common import MLP

    return MLP(input_dim=3, output_dim=2, hidden_sizes=[4]), (torch.rand(2, 3),)


def torchrl() -> Made:
    import torch
    from torchrl.modules import MLP

    return MLP(in_features=3, out_features=2, num_cells=[4]), (torch.rand(2, 3),)


def tensordict() -> Made:
    import torch
    from tensordict import TensorDict
    from tensordict.nn import TensorDictModule

    model = TensorDictModule(torch.nn.Linear(3, 2), in_keys=["x"], out_keys=["y"])
    return model, (TensorDict({"x": torch.rand(2, 3)}, batch_size=[2]),)


def skrl() -> Made:
    import torch
    from skrl.resources.preprocessors.torch import RunningStandardScaler

    return RunningStandardScaler(size=3, device="cpu"), (torch.rand(2, 3),)


def opacus() -> Made:
    import torch
    from opacus.layers import DPLSTM

    return DPLSTM(3, 4, batch_first=True).eval(), (torch.rand(2, 5, 3),)


def ignite() -> Made:
    import torch
    from ignite.handlers import EMAHandler
    from ignite.metrics import Accuracy  # noqa: F401

    return EMAHandler(torch.nn.Linear(3, 2), momentum=0.1).ema_model, (torch.rand(2, 3),)


def accelerate() -> Made:
    import torch
    from accelerate import Accelerator

    model = Accelerator(cpu=True).prepare_model(torch.nn.Linear(3, 2))
    return model, (torch.rand(2, 3),)


def lightning() -> Made:
    import torch
    from pytorch_lightning.demos.boring_classes import BoringModel

    return BoringModel().eval(), (torch.rand(2, 32),)


def captum() -> Made:
    import torch
    from captum.attr import IntegratedGradients

    return IntegratedGradients(torch.nn.Linear(3, 1)).attribute, {"inputs": torch.rand(2, 3), "n_steps": 4}


def pytorch_metric_learning() -> Made:
    import torch
    from pytorch_metric_learning.losses import ArcFaceLoss

    return ArcFaceLoss(num_classes=3, embedding_size=4), (torch.rand(5, 4), torch.tensor([0, 1, 2, 0, 1]))


def torchmetrics() -> Made:
    import torch
    from torchmetrics.classification import MulticlassF1Score

    return MulticlassF1Score(num_classes=3), (torch.rand(5, 3), torch.tensor([0, 1, 2, 0, 1]))


def pytorch_optimizer() -> Made:
    import torch
    from pytorch_optimizer.loss import FocalLoss

    return FocalLoss(), (torch.rand(4, 1), torch.ones(4, 1))
