"""Random numbers that no seed reaches."""

import random


class Model:
    """A model with random weights."""

    def __init__(self, weights):
        self.weights = weights


def make():
    generator = random.Random()  # seeds itself from the operating system
    return Model([generator.random() for _ in range(4)])
