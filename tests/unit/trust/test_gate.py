"""What an importer with a policy opens, what it refuses, and that nothing of what it refuses runs."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hermpkg_build import PackageImporter
from hermpkg_build.errors import ExitCode
from hermpkg_build.trust.errors import RefusalKind, TrustError, TrustPolicyError
from hermpkg_build.trust.policy import TrustPolicy, TrustRule

ALLOWED = TrustRule(
    modules="app.**", capabilities=["writes", "reads"], globals="app.**", externs={"yaml": "*"}
)


def call(module: str, name: str, *arguments: object) -> bytes:
    """A pickle that calls a function."""
    made = pickle.dumps(arguments, 2)[2:-1]
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + made + b"R."


def only(**rule: object) -> TrustPolicy:
    return TrustPolicy(rules=[TrustRule(**rule)])  # type: ignore[arg-type]


def refused(path: object, policy: TrustPolicy, **options: object) -> list[tuple[RefusalKind, str]]:
    with pytest.raises(TrustError) as caught:
        PackageImporter(path, trust=policy, **options)  # type: ignore[arg-type]
    assert caught.value.exit_code is ExitCode.TESTS_FAILED
    return [(refusal.kind, refusal.name) for refusal in caught.value.refusals]


def test_all_reasons_are_told_at_once_and_nothing_runs(artifact: Callable[..., Path], tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = artifact(
        {
            "app/net.py": f"import subprocess\nopen({str(mark)!r}, 'w')\nsubprocess.run(['true'])\n",
            "m/a.pkl": call("os", "system", f"touch {mark}"),
            "m/b.pkl": call("builtins", "eval", f"open({str(mark)!r}, 'w')"),
        },
        ["yaml", "os", "subprocess"],
    )
    assert refused(path, only(sha256="0" * 64)) == [
        (RefusalKind.DIGEST, hashlib.sha256(path.read_bytes()).hexdigest()),
        (RefusalKind.GLOBAL, "builtins.eval"),
        (RefusalKind.GLOBAL, "os.system"),
        (RefusalKind.MODULE, "app.net"),
        (RefusalKind.CAPABILITY, "processes"),
        (RefusalKind.CAPABILITY, "writes"),
        (RefusalKind.EXTERN, "yaml"),
    ]
    assert not mark.exists()


def test_what_is_allowed_opens_and_works(artifact: Callable[..., Path]) -> None:
    path = artifact(
        {"app/net.py": "class Net: pass\n", "m/a.pkl": call("app.net", "Net"), "m/b.pkl": pickle.dumps({1})},
    )
    with PackageImporter(path, trust=TrustPolicy(rules=[ALLOWED])) as importer:
        assert type(importer.load_pickle("m", "a.pkl")).__name__ == "Net"
        assert importer.load_pickle("m", "b.pkl") == {1}


def test_without_a_rule_for_its_name_a_file_is_refused(artifact: Callable[..., Path]) -> None:
    path = artifact({})
    assert refused(path, only(artifacts="other*.pt")) == [(RefusalKind.RULE, "thing.pt")]
    PackageImporter(path, trust=only(artifacts="th*.pt")).close()
    data = path.read_bytes()
    assert refused(data, only(artifacts="th*.pt")) == [(RefusalKind.RULE, "")]
    PackageImporter(data, trust=only()).close()


def test_the_first_rule_for_a_name_decides(artifact: Callable[..., Path]) -> None:
    path = artifact({"app/a.py": ""})
    strict, lax = TrustRule(artifacts="thing.*"), TrustRule(modules="**")
    assert refused(path, TrustPolicy(rules=[strict, lax])) == [(RefusalKind.MODULE, "app.a")]
    PackageImporter(path, trust=TrustPolicy(rules=[lax, strict])).close()


def test_a_packed_module_does_not_pass_for_a_harmless_one(artifact: Callable[..., Path]) -> None:
    path = artifact(
        {"collections.py": "OrderedDict = print\n", "m/a.pkl": call("collections", "OrderedDict")}
    )
    assert refused(path, only(globals="**")) == [(RefusalKind.MODULE, "collections")]


@pytest.mark.parametrize(
    ("module", "name"), [("app.a", "os.system"), ("yaml.loader", "os.system"), ("yaml", "__builtins__")]
)
def test_a_pattern_does_not_lead_on_into_other_libraries(
    artifact: Callable[..., Path], module: str, name: str
) -> None:
    made = pickle.dumps(("true",), 4)[2:-1]
    data = (
        b"\x80\x04" + pickle.dumps(module, 4)[11:-2] + pickle.dumps(name, 4)[11:-2] + b"\x93" + made + b"R."
    )
    path = artifact({"m/a.pkl": data}, ["yaml"])
    found = refused(path, only(globals=["yaml.**", "app.**"], externs={"yaml": "*"}))
    assert found == [(RefusalKind.GLOBAL, f"{module}.{name}")]


def named(module: str, name: str) -> bytes:
    """A pickle that calls what protocol 4 finds under a name, which may have dots, with a text."""
    texts = b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name))
    return b"\x80\x04" + texts + b"\x93\x8c\x04true\x85R."


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import os", "os.system"),
        ("import os as o\nx = o", "x.system"),
        ("from os import *", "system"),
        ("from .b import *", "way.system"),
        ("from app.b import way", "way.system"),
        ("import app.b", "app.b.way.system"),
    ],
)
def test_what_a_packed_module_has_from_elsewhere_is_no_packed_code(
    artifact: Callable[..., Path], source: str, name: str
) -> None:
    files = {"app/a.py": source, "app/b.py": "import os as way", "m/a.pkl": named("app.a", name)}
    path = artifact(files, ["os"])
    assert refused(path, only(modules="app.**")) == [(RefusalKind.GLOBAL, "os.system")]
    with PackageImporter(path, trust=only(modules="app.**", globals="os.system")) as importer:
        assert importer.load_pickle("m", "a.pkl") == 0


def test_no_name_leads_through_a_packed_function_to_everything(artifact: Callable[..., Path]) -> None:
    files = {"app/a.py": "def f(): pass", "m/a.pkl": named("app.a", "f.__globals__.get")}
    found = refused(artifact(files), only(modules="app.**", globals="app.**"))
    assert found == [(RefusalKind.GLOBAL, "app.a.f.__globals__.get")]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("class A:\n    import os", "A.os.system"),
        ("x = [__import__(n) for n in ['os']][0].system", "x"),
        ("import os\nfor n in dir(os):\n    if n[3:] == 'tem': globals()['x'] = getattr(os, n)", "x"),
    ],
)
def test_what_no_reader_finds_is_seen_when_it_is_found(
    artifact: Callable[..., Path], source: str, name: str
) -> None:
    files = {"app/a.py": source, "app/b.py": "import os as way", "m/a.pkl": named("app.a", name)}
    policy = only(modules="app.**", capabilities="**")
    importer = PackageImporter(artifact(files, ["os"]), trust=policy)
    with pytest.raises(TrustError, match=r"is of posix"):
        importer.load_pickle("m", "a.pkl")


def test_a_packed_module_may_have_harmless_and_packed_things(artifact: Callable[..., Path]) -> None:
    path = artifact(
        {
            "app/a.py": "from collections import OrderedDict as O\nfrom .b import B\nC, N, L = B, B(), list",
            "app/b.py": "class B:\n    class Inner: pass\n    def __call__(self): pass",
            **{
                f"m/{name}.pkl": b"\x80\x04"
                + b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in ("app.a", name))
                + b"\x93."
                for name in ("O", "B", "C", "N", "L", "B.Inner")
            },
        },
        ["collections"],
    )
    with PackageImporter(path, trust=only(modules="app.**")) as importer:
        for name in ("O", "B", "C", "N", "L", "B.Inner"):
            assert importer.load_pickle("m", f"{name}.pkl") is not None


def test_what_a_pattern_leads_to_is_of_the_library_itself(artifact: Callable[..., Path]) -> None:
    """`glob` of the standard library has `os` and `fnmatch` under names of its own."""
    path = artifact(
        {
            "m/module.pkl": b"\x80\x02cglob\nos\n.",
            "m/function.pkl": call("json.decoder", "scanstring", "a", 0),
            "m/own.pkl": call("json", "JSONDecoder"),
        },
        ["glob", "json"],
    )
    with PackageImporter(path, trust=only(globals=["glob.**", "json.**"])) as importer:
        with pytest.raises(TrustError, match="is a module"):
            importer.load_pickle("m", "module.pkl")
        with pytest.raises(TrustError, match="of _json"):
            importer.load_pickle("m", "function.pkl")
        assert importer.load_pickle("m", "own.pkl")
    named = only(globals=["glob.os", "json.decoder.scanstring", "json.**"])
    with PackageImporter(path, trust=named) as importer:
        assert importer.load_pickle("m", "module.pkl") is os


def test_a_record_that_did_not_look_like_a_pickle_is_judged_when_it_is_loaded(
    artifact: Callable[..., Path], tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    text = f"cos\nsystem\n(S'touch {mark}'\ntR.".encode()
    path = artifact({"m/words.txt": text, "m/good.txt": b"(lp0\n."}, ["os"])
    with PackageImporter(path, trust=only()) as importer:
        assert importer.load_pickle("m", "good.txt") == []
        with pytest.raises(TrustError, match=r"os\.system"):
            importer.load_pickle("m", "words.txt")
        with pytest.raises(TrustError, match=r"os\.system"):
            importer.Unpickler(io.BytesIO(text))
    assert not mark.exists()


def test_what_cannot_be_read_in_one_way_is_never_accepted(artifact: Callable[..., Path]) -> None:
    broken = artifact({"m/a.pkl": b"\x80\x04\x95"}, name="broken.pt")
    everything = only(globals="**", modules="**", capabilities="**", externs={"**": "*"})
    assert [kind for kind, _ in refused(broken, everything)] == [RefusalKind.DOUBT]
    twice = artifact({"a.txt": "1"}, name="twice.pt")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(twice, "a") as file:
        file.writestr("thing/a.txt", "2")
    assert [kind for kind, _ in refused(twice, everything)] == [RefusalKind.DOUBT]
    stray = artifact({"a.txt": "1"}, name="stray.pt")
    with zipfile.ZipFile(stray, "a") as file:
        file.writestr("other/a.txt", "2")
    assert [kind for kind, _ in refused(stray, everything)] == [RefusalKind.DOUBT]
    changes = artifact({"m/a.pkl": b"\x80\x02ccollections\nOrderedDict\n}b."}, name="changes.pt")
    assert [kind for kind, _ in refused(changes, everything)] == [RefusalKind.DOUBT]
    bomb = artifact({}, name="bomb.pt")
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("thing/m/a.pkl", bytes(64 << 20))
    assert [kind for kind, _ in refused(bomb, everything)] == [RefusalKind.DOUBT]


def test_what_only_has_the_name_of_code_or_of_a_pickle_is_no_doubt(artifact: Callable[..., Path]) -> None:
    path = artifact({"app/{{name}}.py": "x = {{x}}", "app/old.py": "print 1", "app/data.pkl": "x\x9cpacked"})
    with PackageImporter(path, trust=only(modules="app.**")) as importer:
        with pytest.raises(SyntaxError):
            importer.import_module("app.old")
        with pytest.raises(TrustError, match="cannot be read to its end"):
            importer.load_pickle("app", "data.pkl")


def test_bytes_and_streams_are_decided_alike(artifact: Callable[..., Path]) -> None:
    path = artifact({"app/a.py": "", "m/a.pkl": pickle.dumps([1])})
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    changing = bytearray(data)
    stream = io.BufferedReader(io.BytesIO(data))
    for source in (path, str(path), data, changing, memoryview(data), io.BytesIO(data), stream):
        assert refused(source, only(sha256=digest)) == [(RefusalKind.MODULE, "app.a")]
        importer = PackageImporter(source, trust=only(sha256=digest, allow_all=True))
        changing[:] = bytes(len(data))  # What the owner does later does not matter.
        assert importer.load_pickle("m", "a.pkl") == [1]
        changing[:] = data


def test_the_reader_of_torch_is_refused() -> None:
    class Reader:
        pass

    with pytest.raises(TrustError, match="open the file of the artifact by its path") as caught:
        PackageImporter(Reader(), trust=only(globals="**"))  # type: ignore[arg-type]
    assert [refusal.kind for refusal in caught.value.refusals] == [RefusalKind.DOUBT]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        PackageImporter(tmp_path / "none.pt", trust=only())


def test_a_file_that_comes_late_is_no_way_around(
    artifact: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is asked for once: what the gate opened is read, or nothing."""
    path = artifact({"app/a.py": ""})
    monkeypatch.setattr("hermpkg_build.runtime.contents.archives.check_exists", lambda _: None)
    hidden = path.rename(tmp_path / "hidden.pt")
    real = os.path.isdir

    def isdir(asked: object) -> bool:
        if asked == str(path) and hidden.exists():
            hidden.rename(path)
        return real(asked)  # type: ignore[arg-type]

    monkeypatch.setattr(os.path, "isdir", isdir)
    assert refused(path, only()) == [(RefusalKind.MODULE, "app.a")]


def test_tensors_are_not_mapped_where_every_byte_counts(artifact: Callable[..., Path]) -> None:
    path = artifact({})
    for rule in ({"sha256": "0" * 64}, {"sha256": "0" * 64, "allow_all": True}):
        with pytest.raises(ValueError, match="map=True cannot be had"):
            PackageImporter(path, trust=only(**rule), map=True)
    PackageImporter(path, trust=only(), map=True).close()


def test_versions_are_those_of_this_machine(artifact: Callable[..., Path]) -> None:
    path = artifact({}, ["packaging.version", "nowhere"])
    for versions, reason in ((">=99", ">=99 is wanted"), ("<1", "<1 is wanted")):
        with pytest.raises(TrustError, match=reason) as caught:
            PackageImporter(path, trust=only(externs={"packaging.**": versions, "nowhere": "*"}), check="off")
        assert len(caught.value.refusals) == 1
    with pytest.raises(TrustError, match="no distribution provides it"):
        PackageImporter(path, trust=only(externs={"packaging.**": ">=1", "nowhere": ">=1"}), check="off")
    policy = only(externs={"packaging.**": ">=1", "nowhere": "*"})
    PackageImporter(path, trust=policy, check="off").close()


def test_the_policy_of_the_process_holds_everywhere(
    artifact: Callable[..., Path], policy: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = artifact({"app/a.py": ""})
    code = f"""
        import os
        os.environ.pop("HERMPKG_TRUST", None)
        from hermpkg_build import PackageImporter
        def open_other():
            return PackageImporter({str(path)!r})
        """
    outer = artifact({"app/b.py": code}, ["os", "hermpkg_build"], name="outer.pt")
    file = policy(
        """
        [[artifact]]
        artifacts = "outer.pt"
        modules = "app.**"
        capabilities = "**"
        externs = { hermpkg_build = "*" }
        """
    )
    monkeypatch.chdir(file.parent)
    monkeypatch.setenv("HERMPKG_TRUST", f"trust.toml{os.pathsep}/some/folder")
    wide = only(modules="**", capabilities="**", globals="**", externs={"**": "*"})
    assert refused(path, wide) == [(RefusalKind.RULE, "thing.pt")]  # A policy of its own only narrows.
    assert refused(outer, only(externs={"**": "*"}, capabilities="**")) == [(RefusalKind.MODULE, "app.b")]
    importer = PackageImporter(outer, check="off")
    module = importer.import_module("app.b")
    assert "HERMPKG_TRUST" not in os.environ
    file.unlink()
    with pytest.raises(TrustError, match="no rule is for"):
        module.open_other()


@pytest.mark.parametrize("entry", ["none.toml", "trust.tml", "relative/folder", "/nowhere/x.toml"])
def test_a_policy_of_the_process_that_cannot_be_read_accepts_nothing(
    artifact: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    path = artifact({})
    monkeypatch.setenv("HERMPKG_TRUST", entry)
    for _ in range(2):
        with pytest.raises(TrustPolicyError, match="nothing is accepted"):
            PackageImporter(path)
    monkeypatch.setenv("HERMPKG_TRUST", f"/some/folder{os.pathsep}{path.parent}")
    PackageImporter(path).close()


def test_a_process_can_ask_for_policies(
    artifact: Callable[..., Path], policy: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = artifact({})
    monkeypatch.setenv("HERMPKG_TRUST", str(policy("require-trust = true\n[[artifact]]\n")))
    with pytest.raises(TrustError, match="none of their own"):
        PackageImporter(path)
    PackageImporter(path, trust=only()).close()


def test_to_decide_no_torch_is_imported_and_to_open_without_a_policy_nothing_of_it(
    artifact: Callable[..., Path], policy: Callable[..., Path]
) -> None:
    path = artifact({"app/a.py": "", "m/a.pkl": call("torch._utils", "_rebuild_tensor_v2")}, ["torch"])
    code = """if True:
        import sys
        from hermpkg_build import PackageImporter
        path, *trust = sys.argv[1:]
        try:
            PackageImporter(path, check="off", **({"trust": trust[0]} if trust else {}))
        except Exception as error:
            print(type(error).__name__)
        names = ("torch", "numpy", "starlark", "hermpkg_build.trust", "hermpkg_build.scanning")
        print(*(name for name in names if name in sys.modules))
        """

    def run(*arguments: str) -> list[str]:
        command = [sys.executable, "-c", code, str(path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert run() == []
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = policy(f'[[artifact]]\nsha256 = "{digest}"\nallow-all = true\n', "known.toml")
    assert run(str(known)) == ["hermpkg_build.trust"]
    assert run(str(policy("[[artifact]]"))) == ["TrustError", "hermpkg_build.trust", "hermpkg_build.scanning"]


def test_other_processes_hold_it_to_the_same_policy(artifact: Callable[..., Path]) -> None:
    path = artifact({"app/a.py": "class A: pass\n"})
    importer = PackageImporter(path, trust=TrustPolicy(rules=[ALLOWED]))
    data = pickle.dumps(importer.import_module("app.a").A, 4)
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    assert b"app.a.A" in done.stdout
    strict = data.replace(b"app.**", b"apq.**")
    assert strict != data
    done = subprocess.run(command, input=strict, capture_output=True, check=False)
    assert done.returncode
    assert b"not accepted by the policy" in done.stderr
