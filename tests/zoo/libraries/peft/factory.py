"""Makes a network with low-rank adapters."""

import torch
from peft import LoraConfig, PeftModel, get_peft_model


def make() -> PeftModel:
    """Adapters of rank two on both linear layers, not all zero."""
    network = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
    return get_peft_model(network, LoraConfig(r=2, target_modules=["0", "2"], init_lora_weights=False)).eval()
