"""What is read of the licences of installed distributions, in the layouts that installers leave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.analysis.distributions import Distributions
from hermpkg_build.analysis.license_statements import header_fields, license_statements
from hermpkg_build.archive.layout import LICENSES
from hermpkg_build.core.graph import ModuleGraph, ModuleNode
from hermpkg_build.core.manifest import ManifestLicense
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.disk.source_tree import SourceTree


def statements(site, *names: str, policy: Policy = Policy.INTERN):
    nodes = {
        name: ModuleNode(
            name=name,
            kind=ModuleKind.SOURCE,
            origin=Origin.ENVIRONMENT,
            policy=policy,
            path=str(site / f"{name}.py"),
            distribution=name,
        )
        for name in names
    }
    tree = SourceTree()
    return license_statements(ModuleGraph(nodes, [], []), Distributions([str(site)], tree), tree)


def files_of(site, name: str) -> list[str]:
    found = statements(site, name)
    assert set(found.statements[name].files) == set(found.files)
    prefix = f"{LICENSES}{name}/"
    for record, path in found.files.items():
        assert Path(path).is_file()
        assert record.startswith(prefix)
    return [record.removeprefix(prefix) for record in found.files]


LAYOUTS = {
    "the folder that PEP 639 names, however deep": (
        {
            "lib-1.dist-info/METADATA": "Name: lib\nLicense-File: LICENSE\nLicense-File: vendor/a/COPYING\n",
            "lib-1.dist-info/licenses/LICENSE": "text",
            "lib-1.dist-info/licenses/vendor/a/COPYING": "text",
            "lib-1.dist-info/licenses/odd name": "text",
        },
        [f"lib-1.dist-info/licenses/{name}" for name in ("LICENSE", "odd name", "vendor/a/COPYING")],
    ),
    "beside the metadata": (
        {
            "lib-1.dist-info/METADATA": "Name: lib\nLicense-File: Rights.txt\nLicense-File: ../../secret\n",
            "lib-1.dist-info/LICENSE.txt": "text",
            "lib-1.dist-info/NOTICE": "text",
            "lib-1.dist-info/AUTHORS.rst": "text",
            "lib-1.dist-info/Rights.txt": "text",
            "lib-1.dist-info/top_level.txt": "lib",
        },
        [f"lib-1.dist-info/{name}" for name in ("AUTHORS.rst", "LICENSE.txt", "NOTICE", "Rights.txt")],
    ),
    "what the record lists among the modules, at the top and in a shared folder": (
        {
            "lib-1.dist-info/METADATA": "Name: lib\n",
            "lib-1.dist-info/RECORD": (
                "lib.py,,\nLICENSE,,\nlib/_vendor/b/LICENSE.BSD,,\n../../share/doc/lib/copyright,,\n"
                '"lib/a, b/COPYING",,\nlib/license.py,,\nlib/gone/LICENSE,,\n../../etc/LICENSE,,\n'
            ),
            "LICENSE": "text",
            "lib/_vendor/b/LICENSE.BSD": "text",
            "lib/a, b/COPYING": "text",
            "lib/license.py": "",
            "../../share/doc/lib/copyright": "text",
            "../../etc/LICENSE": "not of a distribution",
        },
        ["LICENSE", "lib/_vendor/b/LICENSE.BSD", "lib/a, b/COPYING", "share/doc/lib/copyright"],
    ),
    "an egg-info": (
        {"lib.egg-info/PKG-INFO": "Name: lib\nVersion: 1\n", "lib.egg-info/LICENCE": "text"},
        ["lib.egg-info/LICENCE"],
    ),
    "a licence whose text stands in the metadata alone": (
        {"lib-1.dist-info/METADATA": "Name: lib\nLicense: Ours\n        You may.\n     \n     Not.\n\nx\n"},
        ["lib-1.dist-info/METADATA"],
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_licence_files_are_found(workspace, layout):
    files, expected = LAYOUTS[layout]
    workspace.installed(files)
    assert files_of(workspace.site, "lib") == sorted(expected)


def test_what_metadata_say_is_kept_word_for_word(workspace):
    workspace.installed(
        {
            "lib-1.dist-info/METADATA": (
                "Metadata-Version: 2.4\r\nName: lib\r\nLicense-Expression: MIT OR Apache-2.0\r\n"
                "Classifier: Topic :: X\r\nClassifier: License :: OSI Approved :: MIT License\r\n"
                "License: UNKNOWN\r\n\r\nLicense: of the description\r\n"
            ),
            "plain-1.dist-info/METADATA": f"Name: plain\nLicense: {'x' * 999}\n",
            "old-2.egg-info": "Metadata-Version: 1.0\nName: old\nLicense: BSD\n",
            "mute-1.dist-info/METADATA": "Name: mute\n",
        }
    )
    found = statements(workspace.site, "lib", "plain", "old", "mute").statements
    assert found["lib"] == ManifestLicense(
        expression="MIT OR Apache-2.0", classifiers=("License :: OSI Approved :: MIT License",)
    )
    assert found["plain"].text == f"{'x' * 197}..."
    assert found["old"].text == "BSD"
    assert found["mute"] == ManifestLicense()


def test_only_distributions_with_packed_modules_count(workspace):
    workspace.installed({"lib-1.dist-info/METADATA": "Name: lib\n", "lib-1.dist-info/LICENSE": "text"})
    assert statements(workspace.site, "lib").files
    for policy in (Policy.EXTERN, Policy.MOCK):
        assert statements(workspace.site, "lib", policy=policy).statements == {}
    assert statements(workspace.site, "unknown").statements == {}


@pytest.mark.parametrize(
    ("direct_url", "source"),
    [
        (
            {"url": "https://me:secret@git.example/a/b.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "git+https://git.example/a/b.git@abc",
        ),
        (
            {"url": "https://files.example/lib.whl?token=x#sha256=1", "archive_info": {}},
            "https://files.example/lib.whl",
        ),
        ({"url": "file:///home/me/lib", "dir_info": {"editable": True}}, ""),
        ({"url": "file:///home/me/lib.whl", "archive_info": {}}, ""),
        ({"url": 3, "archive_info": {}}, ""),
        (["no", "object"], ""),
        ({"url": "https://[x", "archive_info": {}}, ""),
    ],
)
def test_where_it_was_installed_from_names_no_user_and_no_folder(workspace, direct_url, source):
    workspace.installed(
        {
            "lib-1.dist-info/METADATA": "Name: lib\n",
            "lib-1.dist-info/direct_url.json": json.dumps(direct_url),
        }
    )
    assert statements(workspace.site, "lib").statements["lib"].source == source


def test_a_file_whose_name_no_record_can_have_is_told_of(workspace):
    workspace.installed(
        {"lib-1.dist-info/METADATA": "Name: lib\n", "lib-1.dist-info/licenses/back\\slash": "text"}
    )
    found = statements(workspace.site, "lib")
    assert found.files == {}
    assert [Path(path).name for path in found.unpacked] == ["back\\slash"]


LINES = st.text(
    alphabet=st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=20
)


@given(st.lists(LINES.map(str.strip).filter(lambda line: line and line[0] != "|"), min_size=1, max_size=5))
def test_indented_lines_belong_to_the_field_above(lines):
    header = "Name: lib\nLicense: " + "\n        ".join(lines) + "\nVersion: 1\n"
    fields = header_fields(header.encode())
    assert [line.strip() for line in fields["license"][0].split("\n")] == lines
    assert (fields["name"], fields["version"]) == (["lib"], ["1"])
