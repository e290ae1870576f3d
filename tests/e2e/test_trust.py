"""`hermpkg trust` and `hermpkg verify --trust`: what they print, and how they end."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
import zipfile


def test_a_policy_from_its_first_version_to_what_it_refuses(workspace):
    workspace.write_app()
    path = workspace.root / workspace.build("//app").target["path"]
    printed = workspace.run("trust", str(path))
    assert printed.code == 0, printed.stderr
    policy = workspace.write("my policies/größe.toml", printed.stdout)
    for what in (str(path), "//app"):
        verified = workspace.run("verify", what, "--trust", str(policy), "--json")
        assert verified.code == 0, verified.stdout
        file, trust = verified.json["checks"]
        assert (file["check"], trust["check"], trust["refusals"]) == ("file", "trust", [])

    strict = workspace.write("strict.toml", "[[artifact]]\n")
    refused = workspace.run("verify", str(path), "--trust", str(strict), "--json", "--junit", "report.xml")
    assert refused.code == 3
    refusals = refused.json["checks"][1]["refusals"]
    assert {"modules"} <= {refusal["kind"] for refusal in refusals}
    assert all(refusal["policy"] == f"{strict}:1:1" for refusal in refusals)
    report = ElementTree.parse(workspace.root / "report.xml")
    assert len(report.findall(".//failure")) == 1


def test_a_policy_that_cannot_be_read(workspace):
    workspace.write_app()
    path = workspace.root / workspace.build("//app").target["path"]
    wrong = workspace.write("trust.toml", "[[artifact]]\nmodule = '**'\n")
    outcome = workspace.run("verify", str(path), "--trust", "trust.toml")
    assert outcome.code == 2
    assert f"{wrong}:2:1: " in outcome.stderr
    assert "did you mean 'modules'" in outcome.stderr


def test_an_archive_of_torch_is_held_to_the_policy_alone(workspace):
    path = workspace.root / "stock.pt"
    with zipfile.ZipFile(path, "w") as file:
        for name, text in ((".data/version", "6\n"), (".data/extern_modules", ""), ("a/b.py", "")):
            file.writestr(f"stock/{name}", text)
    workspace.write("trust.toml", '[[artifact]]\nmodules = "a.*"\n')
    assert workspace.run("verify", str(path)).code == 3
    assert workspace.run("verify", str(path), "--trust", "trust.toml").code == 0


def test_where_nobody_can_tell_what_a_file_does(workspace):
    path = workspace.root / "odd\x1b[31m.pt"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in ((".data/version", b"6\n"), (".data/extern_modules", b""), ("a.pkl", b"\x80\x04")):
            file.writestr(f"odd/{name}", data)
    outcome = workspace.run("trust", str(path), "--json")
    assert outcome.code == 3
    assert len(outcome.json["doubts"]) == 1
    assert "\x1b" not in outcome.stdout + outcome.stderr
    assert "allow-all = true" in outcome.stderr
    assert workspace.run("trust", "none.pt").code == 1
