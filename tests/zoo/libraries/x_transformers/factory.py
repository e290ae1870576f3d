"""Makes a decoder."""

from x_transformers import Decoder, TransformerWrapper


def make() -> TransformerWrapper:
    """Two layers of 32 units."""
    return TransformerWrapper(
        num_tokens=50, max_seq_len=32, attn_layers=Decoder(dim=32, depth=2, heads=2, rotary_pos_emb=True)
    ).eval()
