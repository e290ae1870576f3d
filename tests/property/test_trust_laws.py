"""Laws of policies: the smallest one accepts its file and no mutant, and needs each of its permissions."""

from __future__ import annotations

import dataclasses
import pickle
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermpkg_build import PackageImporter
from hermpkg_build.errors import HermpkgError
from hermpkg_build.inspection.policies import smallest_policy
from hermpkg_build.signing.signers import AcceptedIdentity
from hermpkg_build.trust.errors import RefusalKind, TrustError
from hermpkg_build.trust.policy import COMPUTED, TrustPolicy, TrustRule
from hermpkg_build.trust.policy_file import read_policy
from hermpkg_build.trust.policy_text import policy_text, rule_text

CODE = {
    "pass": "",
    "import os\nos.system('x')": "processes",
    "import socket\nsocket.socket()": "network",
    "open('x', 'w')": "writes",
    "eval('1')": "evaluates",
    "import ctypes\nctypes.CDLL('x')": "native",
    "import pickle\npickle.loads(b'')": "unpickles",
}
"""Statements, with what they can do."""
GLOBALS = ["os.system", "yaml.load", "app.net.Net", "größe.x", "collections.OrderedDict", "a-b.c d"]
EXTERNS = ["yaml", "yaml.loader", "numpy.core", "json", "größe"]
MODULES = ["app/net.py", "app/__init__.py", "lib/deep/er.py", "größe.py", "single.py"]

artifacts = st.fixed_dictionaries(
    {
        "modules": st.dictionaries(st.sampled_from(MODULES), st.sampled_from([*CODE])),
        "globals": st.lists(st.sampled_from(GLOBALS), unique=True),
        "externs": st.lists(st.sampled_from(EXTERNS), unique=True),
        "name": st.sampled_from(["model.pt", "größe 1.pt", "a*b.pt", "a**b.pt", "[x].pt", 'quo"te\\.pt']),
    }
)
fast = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(folder: Path, given_artifact: dict[str, object]) -> Path:
    modules, names, externs, name = (given_artifact[key] for key in ("modules", "globals", "externs", "name"))
    assert isinstance(modules, dict)
    assert isinstance(names, list)
    path = folder / str(name)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("r/.data/version", "6\n")
        file.writestr("r/.data/extern_modules", "".join(f"{each}\n" for each in externs))  # type: ignore[attr-defined]
        for record, code in modules.items():
            file.writestr(f"r/{record}", code)
        for number, full in enumerate(names):
            module, _, last = full.rpartition(".")
            data = b"\x80\x02c" + f"{module}\n{last}\n".encode() + pickle.dumps((1,), 2)[2:-1] + b"R."
            file.writestr(f"r/model/{number}.pkl", data)
    return path


def refusals(path: Path, rule: TrustRule) -> list[tuple[RefusalKind, str]]:
    try:
        PackageImporter(path, trust=TrustPolicy(rules=[rule]), check="off").close()
    except TrustError as error:
        return [(refusal.kind, refusal.name) for refusal in error.refusals]
    return []


@fast
@given(artifacts)
def test_the_smallest_policy_accepts_its_file_also_as_text(tmp_path: Path, each: dict[str, object]) -> None:
    path = write(tmp_path, each)
    smallest = smallest_policy(str(path))
    assert not smallest.doubts
    assert refusals(path, smallest.rule) == []
    file = tmp_path / "trust.toml"
    file.write_text(rule_text(smallest.rule, smallest.comments), encoding="utf-8")
    read = read_policy(file)
    assert read.rules == (smallest.rule,)
    PackageImporter(path, trust=file, check="off").close()


@fast
@given(artifacts, st.data())
def test_a_mutant_of_the_file_is_refused(
    tmp_path: Path, each: dict[str, object], data: st.DataObject
) -> None:
    path = write(tmp_path, each)
    rule = smallest_policy(str(path)).rule
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(HermpkgError):
        PackageImporter(path, trust=TrustPolicy(rules=[rule]), check="off")


@fast
@given(artifacts, st.data())
def test_each_permission_is_needed_and_named_where_it_lacks(
    tmp_path: Path, each: dict[str, object], data: st.DataObject
) -> None:
    path = write(tmp_path, each)
    rule = smallest_policy(str(path), any_digest=True).rule
    kinds = [RefusalKind.GLOBAL, RefusalKind.MODULE, RefusalKind.CAPABILITY, RefusalKind.EXTERN]
    entries = [(kind, entry) for kind in kinds for entry in getattr(rule, str(kind))]
    if not entries:
        return
    kind, entry = data.draw(st.sampled_from(entries))
    old = getattr(rule, str(kind))
    less = (
        {name: versions for name, versions in old.items() if name != entry}
        if isinstance(old, dict)
        else tuple(name for name in old if name != entry)
    )
    found = refusals(path, dataclasses.replace(rule, **{str(kind): less}))
    assert found
    assert {kind} == {one for one, _ in found}
    assert all(name == entry or name.startswith(entry.removesuffix("**")[:-1]) for _, name in found)


@fast
@given(artifacts)
def test_what_code_can_do_is_among_the_needs(tmp_path: Path, each: dict[str, object]) -> None:
    """A control by the table above, which the scanner does not know."""
    modules = each["modules"]
    assert isinstance(modules, dict)
    rule = smallest_policy(str(write(tmp_path, each))).rule
    assert {CODE[code] for code in modules.values()} - {""} <= {*rule.capabilities}


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda text: "*" not in text and "/" not in text
)
signers = st.builds(AcceptedIdentity, identity=texts, issuer=texts)
rules = st.builds(
    TrustRule,
    artifacts=st.lists(texts, min_size=1, max_size=2),
    sha256=st.lists(st.sampled_from(["a" * 64, "b" * 64]), unique=True),
    signers=st.lists(signers, max_size=2).map(tuple),
    signature=texts,
    globals=st.lists(st.one_of(texts, st.just(COMPUTED), st.just("a.**"))),
    modules=st.lists(texts),
    capabilities=st.lists(st.sampled_from(["reads", "w*", "**"])),
    externs=st.dictionaries(texts, st.sampled_from(["*", ">=1,<2"])),
)


@fast
@given(st.lists(rules, max_size=3), st.booleans())
def test_printing_and_reading_are_inverses(tmp_path: Path, some: list[TrustRule], required: bool) -> None:
    policy = TrustPolicy(rules=some, require_trust=required)
    file = tmp_path / "trust.toml"
    file.write_text(policy_text(policy), encoding="utf-8", newline="")
    assert read_policy(file) == policy
