"""Writes a bill as SPDX 3.0.1, in JSON-LD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.inspection.contents import RecordFacts
from hermpkg_build.provenance.bill import Bill, Part, PartKind
from hermpkg_build.provenance.facts import facts_of, facts_of_bill, facts_of_weights, package_url, source_url
from hermpkg_build.provenance.licenses import Basis
from hermpkg_build.version import __version__

if TYPE_CHECKING:
    from types import ModuleType

_VERSION = "3.0.1"
_NO_TIME = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NO_TIME_COMMENT = "the time of making is left out, so that equal artifacts have equal bills"


def spdx_document(bill: Bill, *, time: datetime | None = None) -> dict[str, Json]:
    """Return `bill` as an SPDX document, with `time` as that of its making.

    SPDX has no bills without a time: None gives the first second of 1970, with a comment that says so. Equal
    bills and times give equal documents. Raises LocalEnvironmentError where the extra `sbom` is missing.
    """
    try:
        from spdx_python_model import v3_0_1 as spdx
    except ImportError:
        raise LocalEnvironmentError(
            "the extra `sbom` is not installed",
            facts=[("missing", "spdx-python-model, which writes SPDX")],
            next_step="pip install 'hermpkg-build[sbom]'",
        ) from None
    return _DocumentMaker(spdx, bill, time).document()


class _DocumentMaker:
    """Makes the elements of a document; those that others refer to are known by what they stand for."""

    def __init__(self, spdx: ModuleType, bill: Bill, time: datetime | None) -> None:
        self._spdx: Any = spdx
        self._bill = bill
        self._space = f"{bill.serial.urn}#"
        self._creation = spdx.CreationInfo(_id="_:creation", specVersion=_VERSION, created=time or _NO_TIME)
        if time is None:
            self._creation.comment = _NO_TIME_COMMENT
        self._elements: list[Any] = []

    def document(self) -> dict[str, Json]:
        spdx, bill = self._spdx, self._bill
        agent = self._add("SoftwareAgent", "tool", name=f"hermpkg {__version__}")
        self._creation.createdBy.append(agent)
        artifact = self._add(
            "software_Package",
            "artifact",
            name=bill.name,
            software_primaryPurpose=spdx.software_SoftwarePurpose.archive,
            verifiedUsing=[self._hash(bill.digest.hash)],
            extension=self._properties(facts_of_bill(bill)),
        )
        parts = {part.ref: self._part(part) for part in bill.parts}
        self._relate_artifact(artifact, parts)
        for part in bill.parts:
            self._relate(part.ref, "dependsOn", parts[part.ref], [parts[ref] for ref in part.needs])
            self._license(part, parts[part.ref])
        described = [*self._elements]
        sbom = self._add(
            "software_Sbom",
            "sbom",
            rootElement=[artifact],
            element=described,
            software_sbomType=[spdx.software_SbomType.analyzed],
        )
        profiles = spdx.ProfileIdentifierType
        document = self._add(
            "SpdxDocument",
            "document",
            name=bill.name,
            rootElement=[sbom],
            element=[*described, sbom],
            # Not that of artificial intelligence, which wants the time of a model's release and its supplier.
            profileConformance=[profiles.core, profiles.software, profiles.simpleLicensing],
        )
        objects = spdx.SHACLObjectSet([self._creation, *described, sbom, document])
        return cast("dict[str, Json]", spdx.JSONLDSerializer().serialize_data(objects))

    def _add(self, kind: str, ref: str, **values: object) -> Any:
        """Make an element, which the document names by `ref`; empty values are left out."""
        given = {name: value for name, value in values.items() if value}
        element = getattr(self._spdx, kind)(
            _id=self._space + quote(ref, safe=""), creationInfo=self._creation, **given
        )
        self._elements.append(element)
        return element

    def _part(self, part: Part) -> Any:
        purposes = self._spdx.software_SoftwarePurpose
        purl = package_url(part)
        element = self._add(
            "ai_AIPackage" if part.kind is PartKind.MODEL else "software_Package",
            part.ref,
            name=part.name,
            software_packageVersion=part.version,
            software_packageUrl=str(purl) if purl is not None else "",
            software_downloadLocation=source_url(part),
            software_primaryPurpose={
                PartKind.MODEL: purposes.model,
                PartKind.DATA: purposes.data,
                PartKind.INTERPRETER: purposes.platform,
                PartKind.OWN_CODE: purposes.source,
            }.get(part.kind, purposes.library),
            extension=self._properties(facts_of(part)),
        )
        if part.kind is PartKind.MODEL:
            element.ai_hyperparameter = [
                self._spdx.DictionaryEntry(key=name, value=value)
                for name, value in facts_of_weights(part).items()
            ]
            if part.made_by:
                element.ai_typeOfModel = [part.made_by]
        files = [self._file(record) for record in part.files]
        self._relate(part.ref, "contains", element, files)
        return element

    def _file(self, record: RecordFacts) -> Any:
        return self._add(
            "software_File",
            f"file:{record.name}",
            name=record.name,
            verifiedUsing=[self._hash(record.sha256)],
        )

    def _relate_artifact(self, artifact: Any, parts: Mapping[str, Any]) -> None:
        inside = [parts[part.ref] for part in self._bill.parts if part.is_inside]
        outside = [part for part in self._bill.parts if part.extern]
        optional = [parts[part.ref] for part in outside if part.optional]
        wanted = [parts[part.ref] for part in outside if not part.optional]
        self._relate("artifact", "contains", artifact, inside)
        self._relate("artifact", "dependsOn", artifact, wanted)
        self._relate("artifact", "hasOptionalDependency", artifact, optional)

    def _relate(self, ref: str, kind: str, source: Any, targets: Sequence[Any]) -> None:
        if targets:
            self._add(
                "Relationship",
                f"{kind}:{ref}",
                from_=source,
                relationshipType=getattr(self._spdx.RelationshipType, kind),
                to=list(targets),
            )

    def _license(self, part: Part, element: Any) -> None:
        if part.license is None:
            return
        if not part.license.expression:
            words = self._spdx.expandedlicensing_IndividualLicensingInfo.NAMED_INDIVIDUALS
            self._relate(part.ref, "hasDeclaredLicense", element, [words["NoAssertionLicense"]])
            return
        is_declared = part.license.basis is Basis.EXPRESSION
        # What is read out of other words was concluded, by this program.
        kind = "hasDeclaredLicense" if is_declared else "hasConcludedLicense"
        expression = self._add(
            "simplelicensing_LicenseExpression",
            f"license:{part.ref}",
            simplelicensing_licenseExpression=part.license.expression,
        )
        self._relate(part.ref, kind, element, [expression])

    def _hash(self, sha256: str) -> Any:
        return self._spdx.Hash(algorithm=self._spdx.HashAlgorithm.sha256, hashValue=sha256)

    def _properties(self, facts: Mapping[str, str]) -> list[Any]:
        entries = list(self._entries(facts))
        return [self._spdx.extension_CdxPropertiesExtension(extension_cdxProperty=entries)] if entries else []

    def _entries(self, facts: Mapping[str, str]) -> Iterator[Any]:
        for name, value in facts.items():
            yield self._spdx.extension_CdxPropertyEntry(
                extension_cdxPropName=f"hermpkg:{name}", extension_cdxPropValue=value
            )
