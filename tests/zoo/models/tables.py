"""Models of tables and of time series, each with an example."""

from __future__ import annotations

from typing import Any

Made = tuple[Any, Any]


def pytorch_tabnet() -> Made:
    import torch
    from pytorch_tabnet.tab_network import TabNet

    groups = torch.eye(4)
    model = TabNet(4, 2, n_d=4, n_a=4, n_steps=2, group_attention_matrix=groups).eval()
    return model, (torch.rand(3, 4),)


def rtdl_revisiting_models() -> Made:
    import torch
    from rtdl_revisiting_models import FTTransformer

    model = FTTransformer(
        n_cont_features=3,
        cat_cardinalities=[2],
        d_out=1,
        **FTTransformer.get_default_kwargs(n_blocks=1),
    ).eval()
    return model, (torch.rand(2, 3), torch.tensor([[0], [1]]))


def rtdl_num_embeddings() -> Made:
    import torch
    from rtdl_num_embeddings import PeriodicEmbeddings

    return PeriodicEmbeddings(3, 4, lite=False), (torch.rand(2, 3),)


def tab_transformer_pytorch() -> Made:
    import torch
    from tab_transformer_pytorch import FTTransformer

    model = FTTransformer(categories=(3, 4), num_continuous=2, dim=8, depth=1, heads=2).eval()
    return model, (torch.tensor([[1, 2]]), torch.rand(1, 2))


def deepctr_torch() -> Made:
    import torch
    from deepctr_torch.inputs import DenseFeat, SparseFeat
    from deepctr_torch.models import DeepFM

    columns = [SparseFeat("s", vocabulary_size=4, embedding_dim=4), DenseFeat("d", 1)]
    return DeepFM(columns, columns, dnn_hidden_units=(4,)).eval(), (torch.tensor([[1.0, 0.5]]),)


def pytorch_forecasting() -> Made:
    import torch
    from pytorch_forecasting.models.nbeats.sub_modules import NBEATSGenericBlock

    model = NBEATSGenericBlock(
        units=4, thetas_dim=4, num_block_layers=1, backcast_length=6, forecast_length=2
    )
    return model.eval(), (torch.rand(2, 6),)


def skorch() -> Made:
    import numpy
    import torch
    from skorch import NeuralNetClassifier

    class_ = torch.nn.Linear
    net = NeuralNetClassifier(
        class_,
        module__in_features=3,
        module__out_features=2,
        max_epochs=1,
        train_split=None,
        verbose=0,
        criterion=torch.nn.CrossEntropyLoss,
    )
    numbers = numpy.random.default_rng(0).random((8, 3)).astype("float32")
    net.fit(numbers, numpy.array([0, 1] * 4))
    return net.predict_proba, (numbers,)
