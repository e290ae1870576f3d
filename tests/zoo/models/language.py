"""Models of language, each with an example."""

from __future__ import annotations

from typing import Any

Made = tuple[Any, Any]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "sat"]


def _bert(folder: str) -> None:
    """Write a small BERT with a tokenizer of its own."""
    from pathlib import Path

    from transformers import BertConfig, BertModel, BertTokenizerFast

    vocabulary = Path(folder, "vocab.txt")
    vocabulary.write_text("\n".join(WORDS), encoding="utf-8")
    BertTokenizerFast(vocab=str(vocabulary)).save_pretrained(folder)
    config = BertConfig(
        vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertModel(config).save_pretrained(folder)


def sentence_transformers() -> Made:
    import tempfile

    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer

    with tempfile.TemporaryDirectory() as folder:
        _bert(folder)
        transformer = Transformer(folder)
    model = SentenceTransformer(modules=[transformer, Pooling(16)], device="cpu").eval()
    ids = torch.tensor([[2, 5, 6, 3]])
    return model, ({"input_ids": ids, "attention_mask": torch.ones_like(ids)},)


def transformers() -> Made:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    return LlamaForCausalLM(config).eval(), {"input_ids": torch.tensor([[1, 2, 3]])}


def peft() -> Made:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    model = get_peft_model(BertModel(config), LoraConfig(target_modules=["query"], r=2)).eval()
    return model, {"input_ids": torch.tensor([[1, 2, 3]])}


def gliner() -> Made:
    import torch
    from gliner.modeling.span_rep import SpanRepLayer

    model = SpanRepLayer(span_mode="markerV0", hidden_size=8, max_width=2, dropout=0.0).eval()
    spans = torch.tensor([[[0, 0], [0, 1], [1, 1], [1, 2], [2, 2], [2, 2]]])
    return model, (torch.rand(1, 3, 8), spans)


def torchcrf() -> Made:
    import torch
    from torchcrf import CRF

    return CRF(3, batch_first=True), (torch.rand(2, 4, 3), torch.tensor([[0, 1, 2, 0], [1, 1, 0, 2]]))


def entmax() -> Made:
    import torch
    from entmax import Entmax15

    return torch.nn.Sequential(torch.nn.Linear(4, 4), Entmax15(dim=-1)), (torch.rand(2, 4),)


def rotary_embedding_torch() -> Made:
    import torch
    from rotary_embedding_torch import RotaryEmbedding

    return RotaryEmbedding(dim=8), (torch.arange(6.0),)


def local_attention() -> Made:
    import torch
    from local_attention import LocalTransformer

    return (
        LocalTransformer(
            num_tokens=16, dim=16, depth=1, max_seq_len=16, local_attn_window_size=4, dim_head=8, heads=2
        ).eval(),
        (torch.randint(0, 16, (1, 8)),),
    )


def mambapy() -> Made:
    import torch
    from mambapy.mamba import Mamba, MambaConfig

    return Mamba(MambaConfig(d_model=8, n_layers=1)), (torch.rand(1, 5, 8),)
