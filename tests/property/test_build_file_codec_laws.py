"""Encoding and decoding of BUILD files are inverses, through JSON and in every detail."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.core.attributes import Attribute, AttributeType, value_of_default
from hermpkg_build.core.canonical_json import dumps, loads
from hermpkg_build.core.label import Label
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.target import ATTRIBUTES, BuildFile, RuleTarget
from hermpkg_build.errors import Location
from hermpkg_build.loading.build_file_codec import decode_build_file, encode_build_file

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_NAME = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":/\\@"), min_size=1, max_size=6
).filter(lambda text: text not in (".", ".."))
_PACKAGE = "p/é q"
_LABEL = st.builds(Label, st.sampled_from([_PACKAGE, "", "x/y"]), _NAME)
_LOCATION = st.builds(Location, st.sampled_from(["a/BUILD", "t/m.bzl"]), st.integers(1, 9), st.integers(0, 9))
_WORDS = st.lists(_TEXT, max_size=3).map(tuple)
_SCALAR = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), _TEXT
)
_JSON = st.recursive(
    _SCALAR,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.dictionaries(_TEXT, inner, max_size=3)
    ),
    max_leaves=6,
)
_POLICY = st.builds(
    PolicyRule,
    policy=st.sampled_from(Policy),
    include=_WORDS,
    exclude=_WORDS,
    allow_empty=st.booleans(),
    location=st.one_of(st.none(), _LOCATION),
)
_VALUES: dict[AttributeType, st.SearchStrategy[object]] = {
    AttributeType.STRING: _TEXT,
    AttributeType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    AttributeType.BOOLEAN: st.booleans(),
    AttributeType.LABEL: _LABEL,
    AttributeType.LABELS: st.lists(_LABEL, max_size=4, unique=True).map(tuple),
    AttributeType.STRINGS: _WORDS,
    AttributeType.STRING_DICT: st.dictionaries(_TEXT, _TEXT, max_size=3),
    AttributeType.LABEL_DICT: st.dictionaries(_TEXT, _LABEL, max_size=3),
    AttributeType.JSON_DICT: st.dictionaries(_TEXT, _JSON, max_size=3),
    AttributeType.POLICY: st.lists(_POLICY, max_size=3).map(tuple),
}


def _value(attribute: Attribute) -> st.SearchStrategy[object]:
    given = _VALUES[attribute.type]
    return given if attribute.mandatory else st.one_of(st.just(value_of_default(attribute.default)), given)


@st.composite
def _targets(draw: st.DrawFn) -> RuleTarget:
    rule = draw(st.sampled_from(list(ATTRIBUTES)))
    return rule(
        label=Label(_PACKAGE, draw(_NAME)),
        visibility=draw(_WORDS),
        tags=draw(_WORDS),
        location=draw(_LOCATION),
        **{attribute.name: draw(_value(attribute)) for attribute in ATTRIBUTES[rule]},
    )


_FILES = st.builds(
    lambda targets, exports, visibility, messages, loads: BuildFile(
        package=_PACKAGE,
        path=f"{_PACKAGE}/BUILD",
        targets={target.label.name: target for target in targets},
        exports=exports,
        default_visibility=visibility,
        messages=messages,
        loads=loads,
    ),
    st.lists(_targets(), max_size=4),
    st.dictionaries(_TEXT, _WORDS, max_size=3),
    _WORDS,
    st.lists(st.tuples(_LOCATION, _TEXT), max_size=2).map(tuple),
    _WORDS,
)


@settings(deadline=None)
@given(_FILES)
def test_decoding_is_the_inverse_of_encoding(file: BuildFile) -> None:
    decoded = decode_build_file(loads(dumps(encode_build_file(file))))
    assert decoded == file
    # Equality knows neither places nor order nor 1 from 1.0 and True; the printed form does.
    assert repr(decoded.targets) == repr(file.targets)
    assert list(decoded.targets) == list(file.targets)
    assert decoded.messages == file.messages
