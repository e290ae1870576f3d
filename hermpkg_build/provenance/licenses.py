"""Works out under which licence a packed distribution is, what that demands, and how one knows."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from hermpkg_build.core.manifest import ManifestLicense
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.provenance.license_words import Demand, KnownLicense, known_classifier, known_name

if TYPE_CHECKING:
    from license_expression import Licensing

_MOST_CHOICES = 64
_LONGEST = 2000
_CATEGORIES = {
    "Permissive": Demand.PERMISSIVE,
    "Public Domain": Demand.PERMISSIVE,
    "Copyleft Limited": Demand.WEAK_COPYLEFT,
    "Copyleft": Demand.STRONG_COPYLEFT,
    "Commercial": Demand.PROPRIETARY,
    "Free Restricted": Demand.PROPRIETARY,
    "Proprietary Free": Demand.PROPRIETARY,
    "Source-available": Demand.PROPRIETARY,
}
"""What the categories of the licence index mean."""


class Basis(str, enum.Enum):
    """What one knows a licence by, the surest first."""

    EXPRESSION = "its licence expression"
    TEXT = "a free text"
    CLASSIFIERS = "its classifiers alone"
    MIXED = "a free text and classifiers that differ"
    UNREADABLE = "words that name no known licence"
    FILES = "nothing but its licence files"
    NO_DISTRIBUTION = "nothing: no distribution is known to have it"
    NOTHING = "nothing"
    """Its metadata say nothing, and it brings no licence file."""
    UNRECORDED = "nothing: the artifact does not record licences"
    """Another program made the artifact, or a version of this one that did not record them."""

    __str__ = str.__str__


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One licence of an expression: ``GPL-2.0-only WITH Classpath-exception-2.0``, and what it demands."""

    name: str
    demand: Demand


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """The licence of a distribution.

    `expression` is a valid SPDX expression, "" where the words lead to none; `stated` the words themselves.
    `choices` are the ways to comply, of which one is enough: all terms of a choice hold together.
    """

    expression: str
    stated: tuple[str, ...]
    basis: Basis
    choices: tuple[tuple[Term, ...], ...]

    @property
    def demand(self) -> Demand:
        """What the choice that demands the least demands."""
        strictest = [max((term.demand for term in terms), key=_strictness) for terms in self.choices]
        return min(strictest, key=_strictness)

    @property
    def text(self) -> str:
        """The licence for people: the expression, or else the words."""
        return self.expression or "; ".join(self.stated) or "unknown"

    def is_among(self, refused: Collection[str]) -> bool:
        """Whether no choice does without what is `refused`: names of licences, and of what they demand.

        A licence counts with its exceptions and without: ``GPL-2.0-only`` refuses
        ``GPL-2.0-only WITH Classpath-exception-2.0`` too.
        """
        wanted = {each.lower() for each in refused}
        return all(
            any(
                not wanted.isdisjoint(
                    (term.demand.value, term.name.lower(), term.name.lower().partition(" with ")[0])
                )
                for term in terms
            )
            for terms in self.choices
        )


def license_of(stated: ManifestLicense | None) -> License:
    """Say what a distribution's statement means; None is that the artifact has none.

    Raises LocalEnvironmentError where the extra `sbom` is not installed.
    """
    if stated is None:
        return _unknown((), Basis.UNRECORDED)
    if stated.expression and (read := read_expression(stated.expression)) is not None:
        return replace(read, stated=(stated.expression,), basis=Basis.EXPRESSION)
    words = [each for each in (stated.expression, stated.text) if each]
    by_text = next((found for each in words if (found := _read_name(each)) is not None), None)
    by_classifiers = _read_classifiers(stated.classifiers)
    if by_text is not None and by_classifiers is not None:
        return _both(by_text, by_classifiers, words, stated.classifiers)
    if by_text is not None:
        return replace(by_text, stated=tuple(words), basis=Basis.TEXT)
    if by_classifiers is not None:
        return replace(by_classifiers, stated=(*words, *stated.classifiers), basis=Basis.CLASSIFIERS)
    said = (*words, *stated.classifiers)
    if said:
        return _unknown(said, Basis.UNREADABLE)
    return _unknown((), Basis.FILES if stated.files else Basis.NOTHING)


def license_of_nobody(*, is_recorded: bool) -> License:
    """Return the licence of code of which nothing says which distribution has it.

    `is_recorded` is whether the artifact says of which distributions its modules are.
    """
    return _unknown((), Basis.NO_DISTRIBUTION if is_recorded else Basis.UNRECORDED)


def read_expression(text: str) -> License | None:
    """Read an SPDX expression, spelt as SPDX does; None for a text that is none.

    Licences of one's own (``LicenseRef-x``) are part of expressions; what they demand is unknown, unless
    their name says that they are proprietary. Raises LocalEnvironmentError.
    """
    licensing = _licensing()
    from license_expression import ExpressionError, ExpressionParseError

    if len(text) > _LONGEST:
        return None
    try:
        parsed = licensing.parse(text, validate=False, strict=False)
        if parsed is None:
            return None
        symbols = licensing.license_symbols(parsed, unique=True, decompose=True)
        is_known = all(
            symbol.key in _index() or symbol.key.startswith(("LicenseRef-", "DocumentRef-"))
            for symbol in symbols
        )
        choices = _choices(parsed, licensing)
    except (ExpressionError, ExpressionParseError, AttributeError, RecursionError, TypeError):
        return None
    if not is_known:
        return None
    return License(expression=str(parsed), stated=(text,), basis=Basis.EXPRESSION, choices=choices)


def refusable(word: str) -> str | None:
    """Return `word` as `License.is_among` takes it: what licences demand, or a licence; None for neither."""
    if word in list(Demand):
        return word
    read = read_expression(word)
    if read is None or len(read.choices) != 1 or len(read.choices[0]) != 1:
        return None
    return read.choices[0][0].name


def _read_name(text: str) -> License | None:
    """Read a free text: an expression, a usual name, or a classifier that stands in the wrong field."""
    if (read := read_expression(text)) is not None:
        return read
    known = known_name(text) or known_classifier(text)
    return None if known is None else _of_known([known], [text])


def _read_classifiers(classifiers: Sequence[str]) -> License | None:
    """Read the classifiers that name licences. Of several nobody says whether all hold, or one is enough."""
    pairs = [(known, each) for each in classifiers if (known := known_classifier(each)) is not None]
    # A general one says nothing beside one that says which.
    return _of_known([known for known, _ in pairs], [each for _, each in pairs]) if pairs else None


def _of_known(known: Sequence[KnownLicense], words: Sequence[str]) -> License:
    terms = [
        Term(name=each.spdx or word.rpartition(" :: ")[2], demand=each.demand)
        for each, word in zip(known, words, strict=True)
    ]
    expression = known[0].spdx if len(known) == 1 else ""
    return License(
        expression=expression, stated=tuple(words), basis=Basis.TEXT, choices=(tuple(dict.fromkeys(terms)),)
    )


def _both(
    by_text: License, by_classifiers: License, words: Sequence[str], classifiers: Sequence[str]
) -> License:
    """Join what a free text and classifiers say: the text counts, unless they demand other things."""
    demands = {term.demand for terms in by_classifiers.choices for term in terms}
    own = {term.demand for terms in by_text.choices for term in terms}
    if demands <= own:
        expression = by_text.expression or by_classifiers.expression
        return replace(by_text, expression=expression, stated=tuple(words), basis=Basis.TEXT)
    terms = [term for choice in (*by_text.choices, *by_classifiers.choices) for term in choice]
    return License(
        expression="",
        stated=(*words, *classifiers),
        basis=Basis.MIXED,
        choices=(tuple(dict.fromkeys(terms)),),
    )


def _unknown(stated: tuple[str, ...], basis: Basis) -> License:
    term = Term(name="unknown", demand=Demand.UNKNOWN)
    return License(expression="", stated=stated, basis=basis, choices=((term,),))


def _choices(parsed: Any, licensing: Licensing) -> tuple[tuple[Term, ...], ...]:
    """List the ways to comply with a parsed expression; of too many ways, all terms together."""
    if isinstance(parsed, licensing.OR):
        found = [choice for part in parsed.args for choice in _choices(part, licensing)]
    elif isinstance(parsed, licensing.AND):
        parts = [_choices(part, licensing) for part in parsed.args]
        count = 1
        for part in parts:
            count *= len(part)
        if count > _MOST_CHOICES:
            return (_merged(choice for part in parts for choice in part),)
        found = [_merged(combination) for combination in itertools.product(*parts)]
    else:
        found = [(_term(parsed),)]
    unique = tuple(dict.fromkeys(found))
    return unique if len(unique) <= _MOST_CHOICES else (_merged(unique),)


def _merged(choices: Iterable[tuple[Term, ...]]) -> tuple[Term, ...]:
    return tuple(dict.fromkeys(term for choice in choices for term in choice))


def _term(symbol: Any) -> Term:
    exception = getattr(symbol, "exception_symbol", None)
    if exception is None:
        return Term(name=symbol.key, demand=_demand_of(symbol.key))
    # An exception allows more than the licence alone.
    demands = (_demand_of(symbol.license_symbol.key), _demand_of(exception.key))
    name = f"{symbol.license_symbol.key} WITH {exception.key}"
    return Term(name=name, demand=min(demands, key=_strictness))


def _demand_of(key: str) -> Demand:
    if key in _index():
        return _index()[key]
    return Demand.PROPRIETARY if "proprietary" in key.lower() else Demand.UNKNOWN


def _strictness(demand: Demand) -> int:
    return demand.strictness


@cache
def _licensing() -> Licensing:
    """Return what reads expressions of SPDX's licences. Raises LocalEnvironmentError."""
    try:
        from license_expression import get_spdx_licensing
    except ImportError:
        raise LocalEnvironmentError(
            "the extra `sbom` is not installed",
            facts=[("missing", "license-expression, which reads licence expressions")],
            next_step="pip install 'hermpkg-build[sbom]'",
        ) from None
    return get_spdx_licensing()


@cache
def _index() -> Mapping[str, Demand]:
    """Map the identifiers of SPDX's licences and exceptions to what they demand."""
    from license_expression import get_license_index

    return {
        entry["spdx_license_key"]: _CATEGORIES.get(entry["category"], Demand.UNKNOWN)
        for entry in get_license_index()
        if entry.get("spdx_license_key")
    }
