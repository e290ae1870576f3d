"""Learns the tokenizer and the weights from language/text.txt, in some seconds."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from language.tokenizer import Tokenizer
from language.writer import make

FOLDER = Path(__file__).parent / "language"


def train(steps: int = 200) -> None:
    text = (FOLDER / "text.txt").read_text(encoding="utf-8")
    Tokenizer.learn(text, merges=60).save(FOLDER / "tokenizer.json")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    writer = make().train()
    numbers = torch.tensor([writer.tokenizer.encode(text)])
    optimizer = torch.optim.AdamW(writer.parameters(), lr=0.01)
    for step in range(steps):
        loss = torch.nn.functional.cross_entropy(writer(numbers[:, :-1])[0], numbers[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.3f}")
    save_file(writer.state_dict(), FOLDER / "trained.safetensors")


if __name__ == "__main__":
    train()
