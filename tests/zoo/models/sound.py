"""Models of sound, each with an example."""

from __future__ import annotations

from typing import Any

Made = tuple[Any, Any]


def nnAudio() -> Made:
    import torch
    from nnAudio.features import MelSpectrogram

    return MelSpectrogram(sr=8000, n_fft=128, n_mels=8, hop_length=64, verbose=False), (torch.rand(1, 1024),)


def asteroid_filterbanks() -> Made:
    import torch
    from asteroid_filterbanks import Encoder, ParamSincFB

    return Encoder(ParamSincFB(n_filters=8, kernel_size=32)), (torch.rand(1, 1, 256),)


def auraloss() -> Made:
    import torch
    from auraloss.freq import MultiResolutionSTFTLoss

    model = MultiResolutionSTFTLoss(fft_sizes=[64], hop_sizes=[16], win_lengths=[64])
    return model, (torch.rand(1, 1, 512), torch.rand(1, 1, 512))


def whisper() -> Made:
    import torch
    from whisper.model import ModelDimensions, Whisper

    dimensions = ModelDimensions(
        n_mels=8,
        n_audio_ctx=10,
        n_audio_state=8,
        n_audio_head=2,
        n_audio_layer=1,
        n_vocab=16,
        n_text_ctx=6,
        n_text_state=8,
        n_text_head=2,
        n_text_layer=1,
    )
    return Whisper(dimensions).eval(), (torch.rand(1, 8, 20), torch.tensor([[1, 2, 3]]))


def julius() -> Made:
    import torch
    from julius import LowPassFilter

    return LowPassFilter(0.1), (torch.rand(1, 256),)


def conformer() -> Made:
    import torch
    from conformer import Conformer

    model = Conformer(dim=16, depth=1, dim_head=8, heads=2, conv_kernel_size=3).eval()
    return model, (torch.rand(1, 8, 16),)
