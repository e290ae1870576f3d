"""Writes a bill as CycloneDX 1.6, with the parts of that standard that are for machine learning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.inspection.contents import RecordFacts
from hermpkg_build.provenance.bill import Bill, Part, PartKind
from hermpkg_build.provenance.facts import facts_of, facts_of_bill, facts_of_weights, package_url, source_url
from hermpkg_build.provenance.licenses import Basis, License
from hermpkg_build.version import __version__

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License as CycloneLicense

_ARTIFACT = "artifact"


def cyclonedx_document(bill: Bill, *, time: datetime | None = None) -> dict[str, Json]:
    """Return `bill` as a CycloneDX document, with `time` as that of its making; None leaves it out.

    Equal bills and times give equal documents. Raises LocalEnvironmentError where the extra `sbom` is not
    installed.
    """
    try:
        from cyclonedx.model.bom import Bom, BomMetaData
        from cyclonedx.model.component import Component, ComponentType
        from cyclonedx.output.json import JsonV1Dot6
    except ImportError:
        raise LocalEnvironmentError(
            "the extra `sbom` is not installed",
            facts=[("missing", "cyclonedx-python-lib, which writes CycloneDX")],
            next_step="pip install 'hermpkg-build[sbom]'",
        ) from None
    tool = Component(name="hermpkg", version=__version__, type=ComponentType.APPLICATION)
    artifact = _artifact(bill)
    components = {part.ref: _component(part) for part in bill.parts}
    bom = Bom(
        serial_number=bill.serial,
        metadata=BomMetaData(component=artifact, timestamp=time),
        components=components.values(),
    )
    bom.metadata.tools.components.add(tool)
    needed = {ref for part in bill.parts for ref in part.needs}
    bom.register_dependency(
        artifact, [component for ref, component in components.items() if ref not in needed]
    )
    for part in bill.parts:
        bom.register_dependency(components[part.ref], [components[ref] for ref in part.needs])
    import json

    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    if time is None:
        del document["metadata"]["timestamp"]
    parts = {part.ref: part for part in bill.parts}
    for component in document.get("components", ()):
        component.update(_rest_of(parts[component["bom-ref"]]))
    return document


def _rest_of(part: Part) -> dict[str, Json]:
    """Return what the library does not write, such as model cards, or takes a millisecond for each of."""
    rest: dict[str, Json] = {}
    if part.files:
        rest["components"] = [_file(record) for record in part.files]
    if part.kind is PartKind.MODEL:
        rest["modelCard"] = _model_card(part)
    return rest


def _artifact(bill: Bill) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    return Component(
        name=bill.name,
        type=ComponentType.APPLICATION,
        bom_ref=_ARTIFACT,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=bill.digest.hash)],
        properties=_properties(facts_of_bill(bill)),
    )


def _component(part: Part) -> Component:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
    from cyclonedx.model.component import Component, ComponentScope, ComponentType

    types = {
        PartKind.MODEL: ComponentType.MACHINE_LEARNING_MODEL,
        PartKind.DATA: ComponentType.DATA,
        PartKind.INTERPRETER: ComponentType.PLATFORM,
    }
    scope = ComponentScope.OPTIONAL if part.optional and not part.is_inside else ComponentScope.REQUIRED
    if part.status == "mocked":
        scope = ComponentScope.EXCLUDED
    source = source_url(part)
    kind = (
        ExternalReferenceType.VCS if "+" in source.partition(":")[0] else ExternalReferenceType.DISTRIBUTION
    )
    return Component(
        name=part.name,
        version=part.version or None,
        type=types.get(part.kind, ComponentType.LIBRARY),
        bom_ref=part.ref,
        scope=scope,
        description=_DESCRIPTIONS.get(part.kind),
        licenses=_licenses(part.license) if part.license is not None else (),
        purl=package_url(part),
        external_references=[ExternalReference(type=kind, url=XsUri(source))] if source else (),
        properties=_properties(facts_of(part)),
    )


_DESCRIPTIONS = {
    PartKind.OWN_CODE: "code of whoever built the artifact, which no distribution installs",
    PartKind.MODULE: "the artifact does not say which distribution installs this module",
    PartKind.INTERPRETER: "the interpreter with its standard library, which the artifact is loaded in",
}


def _file(record: RecordFacts) -> dict[str, Json]:
    return {
        "type": "file",
        "name": record.name,
        "bom-ref": f"file:{record.name}",
        "hashes": [{"alg": "SHA-256", "content": record.sha256}],
        "properties": [
            {"name": "hermpkg:bytes", "value": str(record.bytes)},
            {"name": "hermpkg:kind", "value": record.kind},
        ],
    }


def _licenses(license_: License) -> Iterator[CycloneLicense]:
    """Give a licence as the standard has it: an expression, or names word for word; none where unknown."""
    from cyclonedx.model.license import DisjunctiveLicense, LicenseAcknowledgement, LicenseExpression
    from cyclonedx.spdx import is_supported_id

    declared = LicenseAcknowledgement.DECLARED if license_.basis is Basis.EXPRESSION else None
    # What is read out of other words was concluded, by this program.
    how = declared or LicenseAcknowledgement.CONCLUDED
    if is_supported_id(license_.expression):
        yield DisjunctiveLicense(id=license_.expression, acknowledgement=how)
    elif license_.expression:
        yield LicenseExpression(value=license_.expression, acknowledgement=how)
    else:
        for words in license_.stated:
            yield DisjunctiveLicense(name=words, acknowledgement=LicenseAcknowledgement.DECLARED)


def _properties(facts: Mapping[str, str]) -> Iterator[Any]:
    from cyclonedx.model import Property

    return (Property(name=f"hermpkg:{name}", value=value) for name, value in facts.items())


def _model_card(part: Part) -> dict[str, Json]:
    facts = facts_of_weights(part)
    card: dict[str, Json] = {
        "properties": [{"name": f"hermpkg:{name}", "value": value} for name, value in facts.items()]
    }
    if part.made_by:
        card["modelParameters"] = {"modelArchitecture": part.made_by}
    return card
