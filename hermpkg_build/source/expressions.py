"""The few expressions that analysis must understand, read from tokens: names, constants, calls, tests."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from hermpkg_build.core.parsed_texts import parse_expression
from hermpkg_build.source.tokens import Kind, Token

Tokens = Sequence[Token]

CATCHES_IMPORT_ERROR: Final = frozenset(
    {"ImportError", "ModuleNotFoundError", "SyntaxError", "Exception", "BaseException"}
)
"""What imports raise: of a module that is not there, and of one for a newer Python."""
_DEPTH: Final = {b"(": 1, b"[": 1, b"{": 1, b")": -1, b"]": -1, b"}": -1}
_QUOTES: Final = {"'", '"'}


def identifier(text: bytes) -> str:
    """The identifier that the compiler makes of a name: in normal form NFKC."""
    name = text.decode()
    return name if name.isascii() else unicodedata.normalize("NFKC", name)


def depths(tokens: Tokens) -> list[int]:
    """How many brackets are open around each token; a bracket stands outside itself."""
    depth, result = 0, []
    for token in tokens:
        change = _DEPTH.get(token.text, 0) if token.kind is Kind.OPERATOR else 0
        if change < 0:
            depth -= 1
        result.append(depth)
        if change > 0:
            depth += 1
    return result


def closing(tokens: Tokens, opening: int) -> int:
    """The index of the bracket that closes the one at index `opening`."""
    depth = 0
    for index in range(opening, len(tokens)):
        if tokens[index].kind is Kind.OPERATOR:
            depth += _DEPTH.get(tokens[index].text, 0)
            if depth == 0:
                return index
    return len(tokens) - 1


def split(tokens: Tokens, separator: bytes) -> list[Tokens]:
    """The parts of `tokens` between separators outside brackets; an empty last part is left out."""
    parts: list[Tokens] = []
    start = 0
    for index, depth in enumerate(depths(tokens)):
        if depth == 0 and tokens[index].text == separator:
            parts.append(tokens[start:index])
            start = index + 1
    return [*parts, tokens[start:]] if start < len(tokens) else parts


def without_parentheses(tokens: Tokens) -> Tokens:
    """The tokens without the parentheses around all of them."""
    while len(tokens) > 1 and tokens[0].text == b"(" and closing(tokens, 0) == len(tokens) - 1:
        tokens = tokens[1:-1]
    return tokens


def dotted(tokens: Tokens) -> str:
    """The dotted name that the tokens spell, "" where they are anything else."""
    if len(tokens) % 2 == 0:
        return ""
    for index, token in enumerate(tokens):
        if not (token.text == b"." if index % 2 else token.kind is Kind.NAME):
            return ""
    return ".".join(identifier(token.text) for token in tokens[::2])


def text_constant(tokens: Tokens) -> str | None:
    """The str that literals, also joined by juxtaposition or ``+``, amount to; None for anything else."""
    tokens = without_parentheses(tokens)
    terms = split(tokens, b"+")
    if len(terms) > 1 or (terms and len(terms[0]) != len(tokens)):
        if tokens[-1].text == b"+":
            return None
        values = [text_constant(term) for term in terms]
    else:
        values = [_literal(token) for token in tokens]
    if not values or any(value is None for value in values):
        return None
    return "".join(value for value in values if value is not None)


def text_constants(tokens: Tokens, *, bare: bool = False) -> list[str] | None:
    """The strings of a list or tuple display, or of a sum of such; None for anything else.

    With `bare`, a tuple may do without its parentheses.
    """
    if not tokens:
        return None
    if bare and _has_comma(tokens):
        return _elements(tokens)
    terms = split(tokens, b"+")
    if len(terms) > 1:
        parts = [text_constants(term) for term in terms]
        if tokens[-1].text == b"+" or any(part is None for part in parts):
            return None
        return [text for part in parts if part is not None for text in part]
    if tokens[0].text not in (b"[", b"(") or closing(tokens, 0) != len(tokens) - 1:
        return None
    inner = tokens[1:-1]
    if tokens[0].text == b"[" or not inner:
        return _elements(inner)
    return _elements(inner) if _has_comma(inner) else text_constants(inner)


def arguments(tokens: Tokens, parameters: Sequence[str]) -> dict[str, Tokens] | None:
    """The arguments of a call by parameter; `tokens` are those between its parentheses.

    None where they do not fit the parameters, or cannot be told apart (``*args``, ``**kwargs``).
    """
    bound: dict[str, Tokens] = {}
    for position, argument in enumerate(split(tokens, b",")):
        if not argument or argument[0].text in (b"*", b"**"):
            return None
        if len(argument) > 1 and argument[0].kind is Kind.NAME and argument[1].text == b"=":
            name, value = identifier(argument[0].text), argument[2:]
        elif position < len(parameters):
            name, value = parameters[position], argument
        else:
            return None
        if name not in parameters or name in bound:
            return None
        bound[name] = value
    return bound


def catches_import_error(tokens: Tokens) -> bool:
    """Whether the expression of an except clause covers ImportError; nothing at all covers everything."""
    tokens = without_parentheses(tokens)
    if not tokens:
        return True
    return any(_last_name(element) in CATCHES_IMPORT_ERROR for element in split(tokens, b","))


def suppresses_import_error(items: Tokens) -> bool:
    """Whether the items of a with statement have a ``contextlib.suppress`` that covers ImportError."""
    for item in split(without_parentheses(items), b","):
        call = without_parentheses(until_as(item))
        opening = next((i for i, token in enumerate(call) if token.text == b"("), 0)
        if not opening or closing(call, opening) != len(call) - 1:
            continue
        if dotted(call[:opening]).rpartition(".")[2] != "suppress":
            continue
        if any(_last_name(a) in CATCHES_IMPORT_ERROR for a in split(call[opening + 1 : -1], b",")):
            return True
    return False


def type_checking_test(tokens: Tokens, aliases: frozenset[str]) -> bool | None:
    """The value at run time of a test that only asks for TYPE_CHECKING; None for any other test.

    `aliases` are names for the flag itself; as an attribute it is known by its own name.
    """
    value = False
    tokens = without_parentheses(tokens)
    while tokens and tokens[0].text == b"not":
        value = not value
        tokens = without_parentheses(tokens[1:])
    name = dotted(tokens)
    return value if name in aliases or name.endswith(".TYPE_CHECKING") else None


def lambda_bodies(tokens: Tokens) -> Iterator[tuple[int, int]]:
    """The half-open ranges of indices that are bodies of lambdas."""
    nesting = depths(tokens)
    for index, token in enumerate(tokens):
        if token.text != b"lambda" or token.kind is not Kind.NAME:
            continue
        colon = lambda_colon(tokens, nesting, index)
        end = colon + 1
        inner = 0
        while end < len(tokens) and nesting[end] >= nesting[index]:
            if nesting[end] == nesting[index]:
                text = tokens[end].text
                if text == b"lambda":
                    inner += 1
                elif text == b":" and inner:
                    inner -= 1
                elif text in _ENDS_LAMBDA and not (inner and text == b","):
                    break
            end += 1
        yield colon + 1, end


def lambda_colon(tokens: Tokens, nesting: Sequence[int], index: int) -> int:
    """The index of the colon that belongs to the lambda at `index`."""
    inner = 0
    for place in range(index + 1, len(tokens)):
        if nesting[place] == nesting[index]:
            if tokens[place].text == b"lambda":
                inner += 1
            elif tokens[place].text == b":":
                if not inner:
                    return place
                inner -= 1
    return len(tokens) - 1


_ENDS_LAMBDA: Final = frozenset({b",", b":", b";", b")", b"]", b"}", b"for", b"async", b"as", b"from"})


def _has_comma(tokens: Tokens) -> bool:
    """Whether a comma stands outside brackets."""
    return any(depth == 0 and t.text == b"," for t, depth in zip(tokens, depths(tokens), strict=True))


def _elements(tokens: Tokens) -> list[str] | None:
    texts = [text_constant(element) if element else None for element in split(tokens, b",")]
    return None if any(text is None for text in texts) else [text for text in texts if text is not None]


def _last_name(tokens: Tokens) -> str:
    return dotted(without_parentheses(tokens)).rpartition(".")[2]


def until_as(tokens: Tokens) -> Tokens:
    """The tokens before an ``as`` outside brackets; all of them where there is none."""
    for index, depth in enumerate(depths(tokens)):
        if depth == 0 and tokens[index].text == b"as" and tokens[index].kind is Kind.NAME:
            return tokens[:index]
    return tokens


def _literal(token: Token) -> str | None:
    """The value of a str literal without replacement fields."""
    if token.kind is not Kind.STRING:
        return None
    text = token.text.decode()
    if text[0] in _QUOTES and "\\" not in text:
        quotes = 3 if text[:3] in ("'''", '"""') else 1
        return text[quotes:-quotes]
    return _evaluated(text)


def _evaluated(text: str) -> str | None:
    import ast

    try:
        node = parse_expression(text)
    except (SyntaxError, ValueError):
        return None
    pieces = node.values if isinstance(node, ast.JoinedStr) else [node]
    values = [piece.value if isinstance(piece, ast.Constant) else None for piece in pieces]
    return (
        "".join(v for v in values if isinstance(v, str)) if all(isinstance(v, str) for v in values) else None
    )
