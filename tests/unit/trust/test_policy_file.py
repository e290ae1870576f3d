"""Policies in files: what they say, where what they say wrong stands, and whose they may be."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hermpkg_build.core.lock import Lock, LockedTarget
from hermpkg_build.core.lock_bytes import lock_bytes
from hermpkg_build.core.toml_text import places_of_keys
from hermpkg_build.disk.trust import VARIABLE
from hermpkg_build.signing.signers import AcceptedIdentity, AcceptedKey
from hermpkg_build.trust.errors import TrustError, TrustPolicyError
from hermpkg_build.trust.policy import TrustPolicy, TrustRule
from hermpkg_build.trust.policy_file import read_policy
from hermpkg_build.trust.policy_text import policy_text

WHOLE = """\
    require-trust = true

    [[artifact]]
    artifacts = ["resnet*.pt", "vit.pt"]
    sha256 = "{a}"
    globals = ["torch.nn.modules.linear.Linear"]
    modules = "models.**"
    capabilities = ["reads"]
    externs = {{ "torch.**" = ">=2.6", numpy = "*" }}

    [[artifact]]
    signers = [{{ key = "keys/release.pub" }}, {{ identity = "a@example.org", issuer = "https://b.org" }}]
    signature = "{{file}}.sig"
    allow-all = true
    """


def test_a_policy_is_what_its_file_says(policy: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "release.pub").write_text("a key")
    read = read_policy(policy(WHOLE.format(a="a" * 64)))
    assert read == TrustPolicy(
        rules=[
            TrustRule(
                artifacts=["resnet*.pt", "vit.pt"],
                sha256="a" * 64,
                globals="torch.nn.modules.linear.Linear",
                modules="models.**",
                capabilities="reads",
                externs={"torch.**": ">=2.6", "numpy": "*"},
            ),
            TrustRule(
                signers=(
                    AcceptedKey(public_key=b"a key"),
                    AcceptedIdentity(identity="a@example.org", issuer="https://b.org"),
                ),
                signature="{file}.sig",
                allow_all=True,
            ),
        ],
        require_trust=True,
    )
    assert str(read.rules[1].location) == f"{tmp_path / 'trust.toml'}:11:1"
    again = policy(policy_text(read), "again.toml")
    assert read_policy(again) == read


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("[[artifact]]\nglobal = []", "2:1", "has no key 'global'"),
        ("[[artifact]]\n[[artifact]]\n  unknown = 1", "3:3", "has no key 'unknown'"),
        ("artifacts = []", "1:1", "has no key 'artifacts'"),
        ("[artifact]\n", "1:1", "list of tables"),
        ("[other]\nx = 1", "1:1", "has no key 'other'"),
        ("[[artifact]]\nmodules = [1]", "2:1", "list of texts"),
        ('[[artifact]]\n# a = 1\nx-y = """\nz = 1\n"""', "3:1", "has no key 'x-y'"),
        ("[[artifact]]\nmodules = [\n'a',\n]\nsha256 = '12'", "5:1", "64 digits"),
        ("[[artifact]]\nallow-all = true", "2:1", "anybody's file"),
        ('[[artifact]]\nsha256 = "' + "a" * 64 + '"\nmodules = "a"\nallow-all = true', "4:1", "stands alone"),
        ('[[artifact]]\nglobals = "a.b**"', "2:1", "whole segment"),
        ('[[artifact]]\n[artifact.externs]\n"torch" = "2.6"', "2:1", "needs versions"),
        ('[[artifact]]\nexterns.torch = ""', "2:1", "needs versions"),
        ('[[artifact]]\ncapabilities = "proceses"', "2:1", "did you mean 'processes'"),
        ("[[artifact]]\nrequire-trust = 1", "2:1", "has no key"),
        ("require-trust = 1", "1:1", "true or false"),
        ('[[artifact]]\nsigners = [{ key = "k", identity = "i" }]', "2:1", "a signer is"),
        ('[[artifact]]\nsigners = [{ kee = "k" }]', "2:1", "has no key 'kee'"),
        ('[[artifact]]\nlabel = "//a"', "2:1", "label needs lock"),
        ('[[artifact]]\nlock = "none.lock"', "2:1", "cannot be read"),
        ("[[artifact]]\nartifacts = []", "2:1", "names no file"),
        ('[[artifact]]\nartifacts = "a/b.pt"', "2:1", "without a folder"),
        ("[[artifact]", "", "not a TOML file"),
        ("\ufeffx = 1", "1:1", "has no key 'x'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    policy: Callable[..., Path], text: str, place: str, words: str
) -> None:
    path = policy(text)
    with pytest.raises(TrustPolicyError) as caught:
        read_policy(path)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{path}:{place}:" if place else f"{path}: ")


def test_a_policy_that_is_not_there_accepts_nothing(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(TrustPolicyError, match="nothing is accepted"):
            read_policy(path)


def test_a_policy_that_nothing_can_parse_accepts_nothing(
    policy: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Python 3.10 with hermpkg-runtime alone, which needs tomli for it."""
    path = policy('[[artifact]]\nmodules = ["own"]\n')
    for parser in ("tomllib", "tomli"):
        monkeypatch.setitem(sys.modules, parser, None)
    with pytest.raises(TrustPolicyError, match="so nothing is accepted by it") as caught:
        read_policy(path)
    assert caught.value.next_step.startswith("pip install toml")


def test_no_stranger_writes_a_policy(
    policy: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, give_away
) -> None:
    path = policy("[[artifact]]")
    path.chmod(0o666)
    with pytest.raises(TrustError, match="somebody else"):
        read_policy(path)
    path.chmod(0o644)
    read_policy(path)
    give_away(path)
    with pytest.raises(TrustPolicyError, match="belongs to"):
        read_policy(path)
    monkeypatch.setenv(VARIABLE, str(path))  # To name it is not to say that it is one's own.
    with pytest.raises(TrustPolicyError, match="belongs to"):
        read_policy(path)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    read_policy(path)


def test_no_stranger_exchanges_a_policy(policy: Callable[..., Path], tmp_path: Path) -> None:
    path = policy("[[artifact]]")
    link = tmp_path / "link.toml"
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    os.rename(path, open_to_all / "trust.toml")
    link.symlink_to(open_to_all / "trust.toml")
    open_to_all.chmod(0o777)
    with pytest.raises(TrustPolicyError, match="everyone can write"):
        read_policy(link)


def test_a_lock_gives_the_digests(policy: Callable[..., Path], tmp_path: Path) -> None:
    def target(digit: str) -> LockedTarget:
        return LockedTarget(sha256=digit * 64, bytes=1, python_version="3.11")

    lock = Lock(tool="hermpkg 1", targets={"//a:a": target("a"), "//b:b": target("b")})
    (tmp_path / "hermpkg.lock").write_bytes(lock_bytes(lock))
    text = '[[artifact]]\nlock = "hermpkg.lock"\nallow-all = true\n'
    assert read_policy(policy(text)).rules[0].sha256 == ("a" * 64, "b" * 64)
    assert read_policy(policy(text + 'label = "//b:b"')).rules[0].sha256 == ("b" * 64,)
    with pytest.raises(TrustPolicyError, match="the lock has no //b:c") as caught:
        read_policy(policy(text + 'label = "//b:c"'))
    assert str(caught.value).startswith(f"{tmp_path / 'trust.toml'}:4:1")
    (tmp_path / "hermpkg.lock").write_bytes(lock_bytes(Lock(tool="hermpkg 1", targets={})))
    with pytest.raises(TrustPolicyError, match="the lock has no artifacts"):
        read_policy(policy(text))


def test_keys_are_found_where_they_stand() -> None:
    text = 'a = "b = 1"\n"c d" = [\n  "x = 2", # y = 3\n]\n[[t]]\nk.l = 1\n[[t]]\n[t.u]\n\'v\' = {w = 1}\n'
    assert places_of_keys(text) == {
        ("a",): (1, 1),
        ("c d",): (2, 1),
        ("t", 0): (5, 1),
        ("t", 0, "k"): (6, 1),
        ("t", 0, "k", "l"): (6, 1),
        ("t", 1): (7, 1),
        ("t", 1, "u"): (8, 1),
        ("t", 1, "u", "v"): (9, 1),
    }
