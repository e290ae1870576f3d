"""Trains the network, and writes digits/digits.safetensors. Takes a minute or two."""

import torch
from safetensors.torch import save_file

from digits.net import make
from digits.pictures import draw


def train(steps: int = 1500) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    reader = make(channels=12).train()
    optimizer = torch.optim.AdamW(reader.parameters(), lr=0.003)
    for step in range(steps):
        images, digits = draw(64, 0.2, generator)
        loss = torch.nn.functional.cross_entropy(reader(images), digits)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 250 == 0:
            print(f"step {step}: loss {loss.item():.3f}")
    save_file(reader.state_dict(), "digits/digits.safetensors")


if __name__ == "__main__":
    train()
