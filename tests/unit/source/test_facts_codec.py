"""Stored import facts are the facts themselves, or an error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.import_facts import IMPORT_CONTEXTS, Import, ImportFacts, ImportForm
from hermpkg_build.source.facts_codec import decode, encode


@given(
    imports=st.lists(
        st.builds(
            Import,
            st.text(),
            st.integers(0, 9),
            st.lists(st.text()).map(tuple),
            st.sampled_from(list(ImportForm)),
            st.sampled_from(IMPORT_CONTEXTS),
            st.integers(0, 1 << 40),
            st.integers(0, 1 << 40),
        )
    ),
    exports=st.none() | st.lists(st.text()).map(tuple),
)
def test_stored_facts_come_back_as_they_were(imports: list[Import], exports: Any) -> None:
    facts = ImportFacts(imports=tuple(imports), exports=exports)
    again = decode(encode(facts))
    assert again == facts
    assert all(type(one) is Import and type(one.form) is ImportForm for one in again.imports)


@pytest.mark.parametrize(
    "damaged",
    [b"", b"hif2", b"hif1[]", b"hif2[]", b"hif2[[],null,[],[],null]]", b"hif2[[[1]],null,[],[],null]"],
)
def test_damaged_facts_are_an_error(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r"facts|unpack"):
        decode(damaged)
