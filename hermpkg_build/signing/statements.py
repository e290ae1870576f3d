"""The statement that a model signature signs: which files there are and what their hashes are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from hermpkg_build.core.texts import listed
from hermpkg_build.dataclass import dataclass
from hermpkg_build.signing.contents import WHOLE, Content
from hermpkg_build.signing.failures import SignatureError

MODEL_SIGNATURE = "https://model_signing/signature/v1.0"
_OLD_MODEL_SIGNATURE = "https://model_signing/Digests/v0.1"
_MOST_LISTED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A signed part of a file: all of it where `end` is None."""

    file: str
    start: int
    end: int | None
    hash: str


def check_content(statement: Mapping[str, Any], content: Content, beside: Collection[str] = ()) -> None:
    """Compare every byte of `content` with a verified statement.

    Files named in `beside` are signatures in the folder itself. Raises SignatureError where anything was
    changed, added or removed, and where the signature leaves out a file that is there.
    """
    method, parts = _signed(statement)
    files: dict[str, list[_Part]] = {}
    for part in parts:
        files.setdefault(part.file, []).append(part)
    present = [file for file in content.files() if file not in beside]
    _compare_names(files, present)
    changed = [file for file in present if not _is_as_signed(content, file, files[file], method)]
    if changed:
        raise _other_content(
            "the bytes are not those that were signed",
            [] if changed == [WHOLE] else [("changed", listed(changed, _MOST_LISTED))],
        )


def _compare_names(signed: Collection[str], present: Collection[str]) -> None:
    if (WHOLE in signed) != (WHOLE in present):
        kinds = ("one file", "a folder") if WHOLE in signed else ("a folder", "one file")
        raise _other_content(
            "the signature is of something else", [("signed", kinds[0]), ("checked", kinds[1])]
        )
    added = sorted(set(present) - set(signed))
    removed = sorted(set(signed) - set(present))
    if added or removed:
        facts = [("not signed", listed(added, _MOST_LISTED))] if added else []
        facts += [("missing", listed(removed, _MOST_LISTED))] if removed else []
        raise _other_content("the folder has other files than were signed", facts)


def _is_as_signed(content: Content, file: str, parts: Sequence[_Part], method: str) -> bool:
    """Whether the parts are the whole file, end to end, and each has its hash."""
    size, place = content.size(file), 0
    for part in sorted(parts, key=lambda part: part.start):
        end = size if part.end is None else part.end
        if part.start != place or end > size or content.hash(file, method, place, end) != part.hash:
            return False
        place = end
    return place == size and len({part.start for part in parts}) == len(parts)


def _signed(statement: Mapping[str, Any]) -> tuple[str, Sequence[_Part]]:
    """Return the hash that a statement uses, and the parts that it lists. Raises SignatureError."""
    kind = statement["predicateType"]
    try:
        if kind == _OLD_MODEL_SIGNATURE:
            subjects = [(each["name"], each["digest"]["sha256"]) for each in statement["subject"]]
            return "sha256", list(_parts(subjects, "files"))
        if kind != MODEL_SIGNATURE:
            raise SignatureError(
                "the statement is signed, but is not a model signature",
                fault="other statement",
                facts=[("expected", MODEL_SIGNATURE), ("found", str(kind))],
            )
        serialization = statement["predicate"]["serialization"]
        named = [(each["name"], each["digest"]) for each in statement["predicate"]["resources"]]
        _check_root(statement, [digest for _, digest in named])
        return str(serialization["hash_type"]), list(_parts(named, serialization["method"]))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise SignatureError(
            "the signed statement is not well formed", fault="malformed", facts=[("reason", repr(error))]
        ) from None


def _check_root(statement: Mapping[str, Any], digests: Sequence[str]) -> None:
    """Compare the digest over all, by which others may name the model, with what is listed."""
    (subject,) = statement["subject"]
    root = hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()
    if subject["digest"]["sha256"] != root:
        raise ValueError("the digest of the whole does not fit the digests of its files")


def _parts(named: Sequence[tuple[str, str]], method: object) -> Iterator[_Part]:
    seen: set[str] = set()
    for name, digest in named:
        if name in seen or os.path.isabs(name) or ".." in name.split("/"):
            raise ValueError(f"the file name {name!r}")
        seen.add(name)
        if method == "files":
            yield _Part(file=name, start=0, end=None, hash=str(digest))
        elif method == "shards":
            file, start, end = name.rsplit(":", 2)
            yield _Part(file=file, start=int(start), end=int(end), hash=str(digest))
        else:
            raise ValueError(f"the method {method!r}")


def _other_content(summary: str, facts: Sequence[tuple[str, str]]) -> SignatureError:
    return SignatureError(
        summary,
        fault="other content",
        facts=facts,
        next_step="get the artifact again, or the signature that was made of this one",
    )
