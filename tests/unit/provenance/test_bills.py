"""Bills of artifacts made by hand: what is in them, and that the standards' own programs accept them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from spdx_python_model import v3_0_1 as spdx

from hermpkg_build.archive.layout import license_record_name
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.writer import write_archive
from hermpkg_build.assembly.artifact import ArtifactRequest, lay_out_parts
from hermpkg_build.assembly.parts import Part
from hermpkg_build.core.graph import ModuleGraph, ModuleNode
from hermpkg_build.core.manifest import ManifestLicense, RecordKind
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.inspection.diff.compare import compare_archives
from hermpkg_build.provenance.bill import Bill, PartKind, bill_of
from hermpkg_build.provenance.cyclonedx import cyclonedx_document
from hermpkg_build.provenance.license_table import license_rows, table_lines
from hermpkg_build.provenance.spdx import spdx_document

SOURCES = {
    "app": b"import lib\nimport ext\nimport json\n",
    "lib": b"import gpl\nimport gone\n",
    "gpl": b"x = 1\n",
    "alone": b"",
}
LICENSE_FILE = license_record_name("lib-dist", "lib_dist-1.dist-info/licenses/LICENSE")


def node(name: str, policy: Policy = Policy.INTERN, distribution: str = "", **values) -> ModuleNode:
    origin = Origin.ENVIRONMENT if distribution else Origin.WORKSPACE
    given = {"origin": origin, "kind": ModuleKind.SOURCE, **values}
    return ModuleNode(name=name, policy=policy, distribution=distribution, **given)


def pickled() -> bytes:
    return b"\x80\x03capp\nNet\n)\x81."


def artifact(path: Path, **changes) -> Path:
    nodes = [
        node("app"),
        node("alone", distribution="alone"),
        node("lib", distribution="lib-dist"),
        node("gpl", distribution="gpl-dist"),
        node("ext", Policy.EXTERN, "ext-dist"),
        node("gone", Policy.MOCK, "gone-dist"),
        node("json", Policy.EXTERN, origin=Origin.STDLIB),
    ]
    request = {
        "graph": ModuleGraph({each.name: each for each in nodes}, [], []),
        "python_version": "3.12.1",
        "sources": SOURCES,
        "parts": [
            Part.of_bytes("model/model.pkl", pickled(), kind=RecordKind.PICKLE, cause="a model"),
            Part.of_bytes(LICENSE_FILE, b"The text.", kind=RecordKind.RESOURCE, cause="a licence"),
            Part.of_bytes("config/words.txt", b"words", kind=RecordKind.RESOURCE, cause="a resource"),
        ],
        "distributions": {"lib-dist": "1.0+cpu", "gpl-dist": "2", "ext-dist": "3.1", "alone": "4"},
        "requires": {"ext-dist": ">=3,<4"},
        "licenses": {
            "lib-dist": ManifestLicense(
                expression="MIT OR Apache-2.0",
                files=(LICENSE_FILE,),
                source="git+https://git.example/lib@abc",
            ),
            "gpl-dist": ManifestLicense(text="GPLv3"),
            "alone": ManifestLicense(),
        },
        **changes,
    }
    write_archive(path, root="art", records=lay_out_parts(ArtifactRequest(**request)))
    return path


def bill(path: Path) -> Bill:
    with ArchiveReader(path) as archive:
        return bill_of(archive)


def parts(found: Bill):
    return {part.ref: part for part in found.parts}


def cyclonedx_problems(document) -> str:
    # Imported where it is used: it compiles grammars for more than a second.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))
    return str(error) if error else ""


def check_spdx(document) -> None:
    """Read the document as SPDX's library does, which checks each value; every name must mean an element."""
    objects = spdx.SHACLObjectSet()
    spdx.JSONLDDeserializer().read(io.BytesIO(json.dumps(document).encode()), objects)
    own = {each["spdxId"] for each in document["@graph"] if "spdxId" in each}
    assert len(own) == sum("spdxId" in each for each in document["@graph"])
    for each in document["@graph"]:
        for target in (*each.get("to", ()), *each.get("element", ()), *each.get("rootElement", ())):
            assert target in own or target.startswith("expandedlicensing_"), target


def test_what_is_in_the_bill(tmp_path):
    path = artifact(tmp_path / "a.pt")
    found = bill(path)
    assert found.digest.hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.name, found.python_version) == ("art", "3.12.1")
    by_ref = parts(found)
    assert by_ref["model:model/model.pkl"].needs == ("own-code",)
    assert by_ref["own-code"].needs == ("distribution:ext-dist", "distribution:lib-dist", "interpreter")
    assert by_ref["distribution:lib-dist"].needs == ("distribution:gone-dist", "distribution:gpl-dist")
    extern = by_ref["distribution:ext-dist"]
    assert (extern.status, extern.version, extern.requires) == ("extern", "3.1", ">=3,<4")
    assert (extern.license, extern.files) == (None, ())
    assert by_ref["distribution:gone-dist"].status == "mocked"
    assert by_ref["distribution:gone-dist"].mocks == ("gone",)
    assert by_ref["interpreter"].version == "3.12.1"
    assert [file.name for file in by_ref["own-code"].files] == ["app.py"]
    assert [file.name for file in by_ref["data:resources"].files] == ["config/words.txt"]


def test_every_record_is_a_file_of_one_part(tmp_path):
    path = artifact(tmp_path / "a.pt")
    with ArchiveReader(path) as archive:
        records = {name: archive.sha256(name) for name in archive.names()}
        found = bill_of(archive)
    files = [file for part in found.parts for file in part.files]
    assert len(files) == len(records)
    assert {file.name: file.sha256 for file in files} == records


def test_cyclonedx_is_what_its_schema_wants(tmp_path):
    document = cyclonedx_document(bill(artifact(tmp_path / "a.pt")))
    assert cyclonedx_problems(document) == ""
    components = {each["bom-ref"]: each for each in document["components"]}
    lib = components["distribution:lib-dist"]
    assert lib["licenses"] == [{"expression": "MIT OR Apache-2.0", "acknowledgement": "declared"}]
    assert lib["purl"].startswith("pkg:pypi/lib-dist@1.0%2Bcpu?vcs_url=git%2Bhttps://git.example/lib")
    gpl = components["distribution:gpl-dist"]
    assert gpl["licenses"] == [{"license": {"id": "GPL-3.0-only", "acknowledgement": "concluded"}}]
    assert "licenses" not in components["distribution:alone"]
    model = components["model:model/model.pkl"]
    assert model["type"] == "machine-learning-model"
    assert "modelCard" in model
    assert "timestamp" not in document["metadata"]
    broken = json.loads(json.dumps(document))
    broken["components"][0]["typo"] = 1
    assert cyclonedx_problems(broken) != ""


def test_spdx_is_what_its_library_reads(tmp_path):
    document = spdx_document(bill(artifact(tmp_path / "a.pt")))
    check_spdx(document)
    kinds = {each.get("type") for each in document["@graph"]}
    assert {"SpdxDocument", "software_Sbom", "ai_AIPackage", "software_Package", "software_File"} <= kinds
    licenses = [each.get("simplelicensing_licenseExpression") for each in document["@graph"]]
    assert sorted(filter(None, licenses)) == ["GPL-3.0-only", "MIT OR Apache-2.0"]
    broken = json.loads(json.dumps(document))
    next(each for each in broken["@graph"] if each.get("type") == "Relationship")["relationshipType"] = "typo"
    with pytest.raises(ValueError, match="typo"):
        check_spdx(broken)


@pytest.mark.parametrize("make", [cyclonedx_document, spdx_document])
def test_equal_artifacts_have_equal_bills_wherever_they_lie(tmp_path, make):
    first, second = tmp_path / "a.pt", tmp_path / "other folder" / "ü.pt"
    second.parent.mkdir()
    second.write_bytes(artifact(first).read_bytes())
    time = datetime(2026, 1, 31, tzinfo=timezone.utc)
    assert json.dumps(make(bill(first))) == json.dumps(make(bill(second)))
    assert json.dumps(make(bill(first), time=time)) != json.dumps(make(bill(first)))
    other = artifact(tmp_path / "b.pt", python_version="3.12.2")
    assert bill(other).serial != bill(first).serial


def test_the_table_says_who_needs_what_the_strictest_first(tmp_path):
    found = bill(artifact(tmp_path / "a.pt"))
    rows = license_rows(found)
    assert [(row.name, row.demand, row.needed_by) for row in rows] == [
        ("gpl-dist", "strong-copyleft", ("model/model.pkl",)),
        ("alone", "unknown", ()),
        ("lib-dist", "permissive", ("model/model.pkl",)),
    ]
    assert rows[2].files == (LICENSE_FILE,)
    assert [row.name for row in license_rows(found, {"Apache-2.0", "strong-copyleft"})] == ["gpl-dist"]
    assert [row.name for row in license_rows(found, {"permissive"})] == ["lib-dist"]
    lines = list(table_lines(found))
    assert any(line.startswith("own code:") for line in lines)
    assert any("ext-dist" in line and "not packed" in line for line in lines)


def test_an_artifact_without_records_of_licences_says_so(tmp_path):
    found = bill(artifact(tmp_path / "a.pt", licenses={}))
    assert {row.known_by for row in license_rows(found)} == {"nothing: the artifact does not record licences"}
    assert any("does not record the licences" in text for text in found.unknown)


def test_archives_of_torch_package_say_what_cannot_be_known(tmp_path):
    path = tmp_path / "stock.pt"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in {
            ".data/version": b"6\n",
            ".data/extern_modules": b"torch\n",
            "app.py": SOURCES["app"],
            "lib.py": SOURCES["lib"],
            "model/model.pkl": pickled(),
        }.items():
            file.writestr(f"stock/{name}", data)
    found = bill(path)
    by_ref = parts(found)
    assert by_ref["model:model/model.pkl"].needs == ("module:app",)
    assert by_ref["module:lib"].kind is PartKind.MODULE
    assert "hermpkg did not write this artifact" in found.unknown[0]
    assert any("which Python" in text for text in found.unknown)
    assert {row.demand for row in license_rows(found)} == {"unknown"}
    assert cyclonedx_problems(cyclonedx_document(found)) == ""
    check_spdx(spdx_document(found))


def test_edits_after_the_build_are_told(tmp_path):
    path = artifact(tmp_path / "a.pt")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("art/added.py", "")
    assert any("edited after it was built: added.py (added)" in text for text in bill(path).unknown)


def test_a_distribution_and_a_module_may_have_one_name(tmp_path):
    nodes = [node("app"), node("lib", distribution="gpl"), node("gpl", origin=Origin.ENVIRONMENT)]
    graph = ModuleGraph({each.name: each for each in nodes}, [], [])
    found = bill(artifact(tmp_path / "a.pt", graph=graph))
    assert {"distribution:gpl", "module:gpl"} <= parts(found).keys()
    assert [file.name for file in parts(found)["module:gpl"].files] == ["gpl.py"]
    assert cyclonedx_problems(cyclonedx_document(found)) == ""


QUICK = (Phase.explicit, Phase.reuse, Phase.generate)  # Shrinking takes minutes.


def test_a_difference_of_licences_is_one_of_artifacts(tmp_path):
    before = artifact(tmp_path / "a.pt", licenses={"lib-dist": ManifestLicense(expression="MIT")})
    after = artifact(
        tmp_path / "b.pt", licenses={"lib-dist": ManifestLicense(), "alone": ManifestLicense(text="X")}
    )
    with ArchiveReader(before) as a, ArchiveReader(after) as b:
        facts = compare_archives(a, b).facts
    assert [(fact.subject, fact.a, fact.b) for fact in facts] == [
        ("licence of alone", "", "X"),
        ("licence of lib-dist", "MIT", "not stated"),
    ]


HOSTILE = st.text(min_size=1, max_size=12)


@settings(
    max_examples=25, phases=QUICK, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_words_of_strangers_stay_words(tmp_path, name, version, license_):
    """A manifest can say anything: what the bill says of it is still what the standards allow."""
    try:
        path = artifact(
            tmp_path / "a.pt",
            graph=ModuleGraph({"lib": node("lib", distribution=name)}, [], []),
            distributions={name: version},
            licenses={
                name: ManifestLicense(
                    expression=license_, text=license_, classifiers=(license_,), source=version
                )
            },
        )
    except UnicodeEncodeError:
        return
    found = bill(path)
    assert cyclonedx_problems(cyclonedx_document(found)) == ""
    check_spdx(spdx_document(found))


def test_tensors_that_two_models_share_are_files_of_the_first(tmp_path):
    torch = pytest.importorskip("torch")
    from torch.package import PackageExporter

    path = tmp_path / "stock.pt"
    weight = torch.zeros(3, 2)
    with PackageExporter(str(path)) as exporter:
        exporter.save_pickle("a", "a.pkl", {"w": weight})
        exporter.save_pickle("b", "b.pkl", {"w": weight, "v": torch.zeros((), dtype=torch.int64)})
    by_ref = parts(bill(path))
    first, second = by_ref["model:a/a.pkl"], by_ref["model:b/b.pkl"]
    assert len(first.files) + len(second.files) == 4
    assert dict(second.weights.elements) == {"float32": 6, "int64": 1}
    assert "model:a/a.pkl" in second.needs
