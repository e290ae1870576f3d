"""Stored import facts come back as they were, and damaged ones are an error."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.import_facts import (
    DynamicImport,
    Import,
    ImportContext,
    ImportFacts,
    ImportForm,
    SourceUse,
    SyntaxProblem,
)
from hermpkg_build.source.facts_codec import decode, encode

CHARACTERS = st.characters()
TEXTS = st.text(CHARACTERS)
NAMES = st.lists(TEXTS).map(tuple)
REASONS = r"\w"
"""Every error says something."""
NUMBERS = st.integers(0, 2**40)
CONTEXTS = st.integers(0, 15).map(ImportContext)
FACTS = st.builds(
    ImportFacts,
    imports=st.lists(
        st.builds(Import, TEXTS, NUMBERS, NAMES, st.sampled_from(ImportForm), CONTEXTS, NUMBERS, NUMBERS)
    ).map(tuple),
    dynamic=st.lists(st.builds(DynamicImport, TEXTS, CONTEXTS, NUMBERS, NUMBERS)).map(tuple),
    exports=st.none() | NAMES,
    uses=st.lists(st.builds(SourceUse, TEXTS, NUMBERS, NUMBERS)).map(tuple),
    syntax_problem=st.none() | st.builds(SyntaxProblem, TEXTS, NUMBERS, NUMBERS, TEXTS),
)


@given(FACTS)
def test_decode_is_the_inverse_of_encode(facts: ImportFacts) -> None:
    decoded = decode(encode(facts))
    assert decoded == facts
    assert encode(decoded) == encode(facts)
    assert all(type(i.context) is ImportContext and type(i.form) is ImportForm for i in decoded.imports)


@given(FACTS, st.data())
def test_a_cut_form_is_an_error(facts: ImportFacts, data: st.DataObject) -> None:
    encoded = encode(facts)
    with pytest.raises(ValueError, match=REASONS):
        decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@given(FACTS, st.data())
def test_a_damaged_form_is_facts_or_a_value_error(facts: ImportFacts, data: st.DataObject) -> None:
    encoded = bytearray(encode(facts))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(ValueError):
        assert isinstance(decode(bytes(encoded)), ImportFacts)


@given(st.binary() | st.binary().map(b"hif2".__add__))
def test_other_bytes_are_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=REASONS):
        decode(data)
