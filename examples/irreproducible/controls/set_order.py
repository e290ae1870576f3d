"""The order of a set, frozen into a list."""


class Model:
    """A model that numbers its vocabulary."""

    def __init__(self, words):
        self.vocabulary = list(set(words))


def make():
    return Model(["north", "east", "south", "west", "up", "down"])
