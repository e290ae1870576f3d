"""The value of a module's ``__all__``, followed statement by statement."""

from __future__ import annotations

from hermpkg_build.source.expressions import Tokens, closing, split, text_constant, text_constants


class Exports:
    """Follows the statements that begin with ``__all__`` at module level, in the order of the source.

    Understood are ``=`` (annotated too), ``+=``, ``.extend`` and ``.append`` with constants. An
    assignment that always runs starts anew; one under a condition adds to what there was, so that the
    names are those of every branch. Any other such statement makes the value unknown until the next
    assignment that always runs.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._bound = False
        self._computed = False

    def value(self) -> tuple[str, ...] | None:
        """The names, each once, in order; None where there is no ``__all__`` or it is computed."""
        return tuple(dict.fromkeys(self._names)) if self._bound and not self._computed else None

    def follow(self, statement: Tokens, *, always: bool) -> None:
        """Take in one statement; `always` tells that it runs whenever the module is imported."""
        if len(statement) > 1 and statement[1].text in (b":", b"="):
            equals = next((i for i, token in enumerate(statement) if token.text == b"="), 0)
            if equals:
                self._assign(text_constants(statement[equals + 1 :], bare=True), always=always)
        else:
            self._extend(_added(statement))

    def _assign(self, names: list[str] | None, *, always: bool) -> None:
        if names is not None and (always or not self._bound):
            self._names, self._bound, self._computed = names, True, False
        elif names is None:
            self._bound = self._computed = True
        else:
            self._names = [*self._names, *names]

    def _extend(self, names: list[str] | None) -> None:
        if names is None or not self._bound:
            self._bound = self._computed = True
        else:
            self._names = [*self._names, *names]


def _added(statement: Tokens) -> list[str] | None:
    """The names that a statement other than an assignment adds."""
    if len(statement) > 2 and statement[1].text == b"+=":
        return text_constants(statement[2:], bare=True)
    if len(statement) < 6 or statement[1].text != b"." or statement[3].text != b"(":
        return None
    if closing(statement, 3) != len(statement) - 1:
        return None
    arguments = split(statement[4:-1], b",")
    if len(arguments) != 1:
        return None
    if statement[2].text == b"append":
        text = text_constant(arguments[0])
        return None if text is None else [text]
    return text_constants(arguments[0]) if statement[2].text == b"extend" else None
