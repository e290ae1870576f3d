"""Writes policies as TOML, as `policy_file` reads them again, with comments for whoever reviews them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hermpkg_build.printable import one_line
from hermpkg_build.signing.signers import AcceptedCertificate, AcceptedKey, AcceptedSigner
from hermpkg_build.trust.policy import TrustPolicy, TrustRule

Comments = Mapping[tuple[str, str], str]
"""What is said behind the entry of a rule, by key and value."""

_LISTS = ("globals", "modules", "capabilities")


def policy_text(policy: TrustPolicy) -> str:
    """Return the whole file of a policy."""
    rules = [rule_text(rule, {}) for rule in policy.rules]
    return "\n".join([*(["require-trust = true\n"] if policy.require_trust else []), *rules])


def rule_text(rule: TrustRule, comments: Comments) -> str:
    """Return a rule as a block that can be pasted into a file, with `comments` behind its entries."""
    lines = ["[[artifact]]", f"artifacts = {_shortest(rule.artifacts)}"]
    if rule.sha256:
        lines.append(f"sha256 = {_shortest(rule.sha256)}")
    if rule.signers:
        signers = ", ".join(map(_signer, rule.signers))
        lines.append(f"signers = [{signers}]")
    if rule.signature:
        lines.append(f"signature = {_quoted(rule.signature)}")
    for name in _LISTS:
        lines += _list(name, getattr(rule, name), comments)
    if rule.allow_all:
        lines.append("allow-all = true")
    if rule.externs:
        lines += ["", "[artifact.externs]"]
        for pattern, versions in rule.externs.items():
            line = f"{_quoted(pattern)} = {_quoted(versions)}"
            lines.append(line + _comment(comments, "externs", pattern))
    return "\n".join([*lines, ""])


def _signer(signer: AcceptedSigner) -> str:
    """A signer with the file that its key or its roots were read from."""
    values: dict[str, str] = {}
    if isinstance(signer, AcceptedKey):
        values["key"] = signer.name
    elif isinstance(signer, AcceptedCertificate):
        values |= {"certificate-authorities": signer.name, "identity": signer.identity}
    else:
        values |= {"identity": signer.identity, "issuer": signer.issuer, "trust-config": signer.name}
    return f"{{ {', '.join(f'{name} = {_quoted(value)}' for name, value in values.items() if value)} }}"


def _list(name: str, values: Sequence[str], comments: Comments) -> Iterator[str]:
    if not values:
        return
    yield f"{name} = ["
    for value in values:
        yield f"    {_quoted(value)},{_comment(comments, name, value)}"
    yield "]"


def _comment(comments: Comments, name: str, value: str) -> str:
    text = comments.get((name, value), "")
    return f"  # {one_line(text)}" if text else ""


def _shortest(values: Sequence[str]) -> str:
    quoted = [_quoted(value) for value in values]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"


def _quoted(text: str) -> str:
    """A basic string of TOML; what is no character to see is written as an escape."""
    return '"' + "".join(map(_letter, text)) + '"'


def _letter(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    if letter.isprintable():
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"
