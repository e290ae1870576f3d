"""Makes a small BERT."""

from transformers import BertConfig, BertModel


def make() -> BertModel:
    """Two layers of 32 units."""
    config = BertConfig(
        vocab_size=100,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    return BertModel(config).eval()
