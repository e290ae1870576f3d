"""The model: words."""

from importlib.resources import files


class Greeter:
    """Greets by name."""

    def __init__(self, words):
        self.words = words

    def __call__(self, name):
        return f"{self.words}, {name}!"


def make():
    return Greeter(files("app").joinpath("words.txt").read_text(encoding="utf-8").strip())
