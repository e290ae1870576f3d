"""What bills say in every standard: facts by short names, and the names of distributions as URLs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hermpkg_build.provenance.bill import Bill, Part, PartKind
from hermpkg_build.provenance.package_urls import distribution_url, known_source

if TYPE_CHECKING:
    from packageurl import PackageURL


def facts_of_bill(bill: Bill) -> Mapping[str, str]:
    """Return what a bill says of the whole artifact beyond its name and digest."""
    facts = {
        "built-by": bill.built_by,
        "python": bill.python_version,
        "bytes": str(bill.digest.size),
        **{f"unknown:{number}": text for number, text in enumerate(bill.unknown, 1)},
    }
    return _stated(facts)


def facts_of(part: Part) -> Mapping[str, str]:
    """Return what a bill says of a part beyond the words that the standards have for it."""
    license_ = part.license
    counts = {"packed": part.packed, "extern": part.extern, "mocked": part.mocked}
    facts = {
        "status": part.status,
        **{f"modules:{policy}": str(count) for policy, count in counts.items() if count},
        "mocks": "; ".join(part.mocks),
        "externs": "; ".join(part.externs),
        "requires": part.requires,
        "source": part.source,
        "label": part.label,
        "made-by": part.made_by,
        "computed-on": part.computed_on,
        "license:known-by": str(license_.basis) if license_ is not None else "",
        "license:stated": "; ".join(license_.stated) if license_ is not None else "",
        "license:demand": str(license_.demand) if license_ is not None else "",
        "license:files": "; ".join(part.license_files),
    }
    return _stated(facts)


def facts_of_weights(part: Part) -> Mapping[str, str]:
    """Return what a bill says of the tensors of a model; nothing where they are not known."""
    weights = part.weights
    if weights is None or weights.unread:
        return {}
    elements = {f"elements:{dtype}": str(count) for dtype, count in weights.elements.items()}
    return {"tensors": str(weights.tensors), "elements": str(sum(weights.elements.values())), **elements}


def package_url(part: Part) -> PackageURL | None:
    """Return the purl of a distribution, None for anything else and for a name that no distribution has."""
    from packageurl import PackageURL

    if part.kind is not PartKind.DISTRIBUTION:
        return None
    url = distribution_url(part.name, part.version, part.source)
    return PackageURL.from_string(url) if url else None


def source_url(part: Part) -> str:
    """Return where a distribution was installed from, "" where that is an index, and for what is no URL.

    That is an archive, or a repository with the commit: ``git+https://host/repository@commit``.
    """
    return known_source(part.source)


def _stated(facts: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in facts.items() if value}
