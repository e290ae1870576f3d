"""Splits texts into words."""

import re


def words_of(text: str) -> list[str]:
    """Give the words of a text, in lower case."""
    return re.findall(r"\w+", text.lower())
