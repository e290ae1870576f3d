"""A model small enough to read: it greets in the languages that it was trained for."""


class Greeter:
    """Greets by name."""

    def __init__(self, greetings):
        self.greetings = greetings

    def __call__(self, language, name):
        return f"{self.greetings[language]}, {name}!"


def make(languages):
    greetings = {"de": "Guten Tag", "en": "Good day", "fr": "Bonjour"}
    return Greeter({language: greetings[language] for language in languages})
