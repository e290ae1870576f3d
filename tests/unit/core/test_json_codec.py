"""Reading a JSON form is the inverse of writing it, and refuses everything else in the same words."""

from __future__ import annotations

import copy
import enum
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.canonical_json import Json, dumps, loads
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.json_codec import OMITTED, JsonFormError, from_json, to_json
from hermpkg_build.core.json_reading import column
from hermpkg_build.dataclass import dataclass, field


class Colour(str, enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Pair:
    JSON_ARRAY: ClassVar = True

    name: str
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    colour: Colour
    digest: Digest
    note: str = field(default="", metadata=OMITTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    text: str
    number: int
    truth: bool
    order: Literal["up", "down"]
    perhaps: Inner | None
    words: tuple[str, ...]
    pairs: tuple[Pair, ...]
    point: tuple[int, str]
    inners: Mapping[str, Inner]
    anything: Json
    extra: tuple[int, ...] = field(default=(), metadata=OMITTED)


INNER = Inner(colour=Colour.BLUE, digest=Digest("a" * 64, 7))
OUTER = Outer(
    text="t",
    number=3,
    truth=False,
    order="down",
    perhaps=INNER,
    words=("a", "b"),
    pairs=(Pair("x", 1), Pair("y")),
    point=(4, "z"),
    inners={"k.py": Inner(colour=Colour.RED, digest=Digest("b" * 64, 0), note="n")},
    anything={"list": [1, None, {"deep": 1.5}]},
)
FORM: dict[str, Any] = {
    "text": "t",
    "number": 3,
    "truth": False,
    "order": "down",
    "perhaps": {"colour": "blue", "digest": "a" * 64 + "/7"},
    "words": ["a", "b"],
    "pairs": [["x", 1], ["y", 0]],
    "point": [4, "z"],
    "inners": {"k.py": {"colour": "red", "digest": "b" * 64 + "/0", "note": "n"}},
    "anything": {"list": [1, None, {"deep": 1.5}]},
}


def test_the_form_has_its_fields_in_their_order() -> None:
    assert json.dumps(to_json(OUTER)) == json.dumps(FORM)
    assert from_json(Outer, FORM) == OUTER


def test_bytes_are_written_in_hexadecimal() -> None:
    assert to_json({"a": b"\x00\xff"}) == {"a": "00ff"}


def test_what_has_no_form_is_an_error_of_the_program() -> None:
    with pytest.raises(TypeError, match="has no JSON form"):
        to_json({"a": object()})
    with pytest.raises(TypeError, match="has no JSON form"):
        from_json(HasSet, {})


@dataclass(frozen=True, slots=True)
class HasSet:
    names: set[str]


@pytest.mark.parametrize(
    ("path", "wrong", "at", "expected"),
    [
        ((), [], "the whole", "an object"),
        (("text",), 1, "text", "a string"),
        (("text",), None, "text", "a string"),
        (("number",), "3", "number", "an integer"),
        (("number",), True, "number", "an integer"),
        (("number",), 3.0, "number", "an integer"),
        (("truth",), 0, "truth", "true or false"),
        (("order",), "sideways", "order", "one of up, down"),
        (("order",), ["up"], "order", "one of up, down"),
        (("perhaps",), 0, "perhaps", "an object"),
        (("perhaps", "colour"), "green", "perhaps['colour']", "one of red, blue"),
        (("perhaps", "digest"), "a/1", "perhaps['digest']", "<sha256>/<size>"),
        (("perhaps", "digest"), 1, "perhaps['digest']", "<sha256>/<size>"),
        (("perhaps", "note"), None, "perhaps['note']", "a string"),
        (("words",), "ab", "words", "an array"),
        (("words", 1), 2, "words[1]", "a string"),
        (("pairs", 1), ["y"], "pairs[1]", "an array of 2"),
        (("pairs", 1), {"name": "y", "count": 0}, "pairs[1]", "an array"),
        (("pairs", 1, 1), "0", "pairs[1][1]", "an integer"),
        (("point",), [4, "z", 5], "point", "an array of 2"),
        (("inners",), [], "inners", "an object"),
        (("inners", "k.py"), None, "inners['k.py']", "an object"),
        (("inners", "k.py", "digest"), "", "inners['k.py']['digest']", "<sha256>/<size>"),
        (("extra",), 1, "extra", "an array"),
        (("more",), 1, "more", "no field of this name"),
        (("perhaps", "more"), 1, "perhaps['more']", "no field of this name"),
    ],
)
def test_a_wrong_part_is_named(path: tuple[str | int, ...], wrong: object, at: str, expected: str) -> None:
    whole: Any = {"": copy.deepcopy(FORM)}
    part = whole
    for step in ("", *path)[:-1]:
        part = part[step]
    part[("", *path)[-1]] = wrong
    with pytest.raises(JsonFormError) as caught:
        from_json(Outer, whole[""])
    assert (caught.value.at, caught.value.expected) == (at, expected)
    assert str(caught.value) == f"at {at}: expected {expected}, found {caught.value.found}"
    assert caught.value.found in (repr(wrong), "nothing")


@pytest.mark.parametrize("name", FORM)
def test_a_missing_field_is_named(name: str) -> None:
    without = {key: part for key, part in FORM.items() if key != name}
    with pytest.raises(JsonFormError) as caught:
        from_json(Outer, without)
    assert (caught.value.at, caught.value.found) == (name, "nothing")


def test_unknown_fields_can_be_ignored_at_any_depth() -> None:
    later = copy.deepcopy(FORM)
    later["more"] = 1
    later["inners"]["k.py"]["more"] = []
    assert from_json(Outer, later, ignore_unknown=True) == OUTER
    with pytest.raises(JsonFormError):
        from_json(Outer, later)


def test_what_is_found_is_told_in_few_words() -> None:
    with pytest.raises(JsonFormError) as caught:
        from_json(Outer, {**FORM, "text": ["x" * 10_000]})
    assert len(caught.value.found) <= 80


INNERS = st.builds(
    Inner, colour=st.sampled_from(Colour), digest=st.binary().map(Digest.of), note=st.text(max_size=3)
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.builds(
        Outer,
        text=st.text(),
        number=st.integers(),
        truth=st.booleans(),
        order=st.sampled_from(["up", "down"]),
        perhaps=st.none() | INNERS,
        words=st.lists(st.text()).map(tuple),
        pairs=st.lists(st.builds(Pair, st.text(), st.integers())).map(tuple),
        point=st.tuples(st.integers(), st.text()),
        inners=st.dictionaries(st.text(), INNERS),
        anything=ANYTHING,
        extra=st.lists(st.integers()).map(tuple),
    )
)
def test_reading_is_the_inverse_of_writing(value: Outer) -> None:
    assert from_json(Outer, loads(dumps(to_json(value)))) == value


WRONG = st.none() | st.integers() | st.text() | st.lists(st.none()) | st.just({}) | st.just("red")


@given(
    st.dictionaries(st.sampled_from(["colour", "digest", "note", "more"]), WRONG | st.just("a" * 64 + "/7")),
    st.booleans(),
    st.sampled_from(["ok\n", f"{'a' * 64}/1\n{'b' * 64}/2", ""]) | st.none(),
)
def test_many_parts_are_read_as_each_alone(
    edit: dict[str, object], ignore_unknown: bool, digest: str | None
) -> None:
    odd = {"colour": "red", "digest": "b" * 64 + "/0", **edit}
    if digest is not None:
        odd["digest"] = digest
    many = {str(number): {"colour": "red", "digest": f"{number:064x}/{number}"} for number in range(60)}

    def read(inners: dict[str, Any]) -> object:
        try:
            return from_json(Outer, {**FORM, "inners": inners}, ignore_unknown=ignore_unknown).inners
        except JsonFormError as error:
            return str(error)

    few, whole = read({"odd": odd}), read({**many, "odd": odd})
    if isinstance(few, str):
        assert whole == few
    else:
        assert isinstance(few, Mapping)
        assert isinstance(whole, Mapping)
        assert whole["odd"] == few["odd"]
        assert whole == {**{name: read({name: form})[name] for name, form in many.items()}, **few}  # type: ignore[index]
        assert to_json(whole)["odd"] == to_json(few)["odd"]
        assert dict(column(whole, "colour")) == {name: each.colour for name, each in whole.items()}
