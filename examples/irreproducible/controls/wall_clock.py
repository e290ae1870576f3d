"""The time of day."""

import time


class Model:
    """A model that says when it was made."""

    def __init__(self):
        self.made_at = time.time()


def make():
    return Model()
