"""Says which commit of git the files of a build are of; nothing that the repository's settings name runs."""

from __future__ import annotations

import errno
import os
import posixpath
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, LocalEnvironmentError

_PATIENCE_S = 120.0
_SCHEMES = ("http", "https", "ssh", "git")
_LIKE_SCP = re.compile(r"(?:[^@/:]+@)?([A-Za-z0-9][A-Za-z0-9.-]*):(?!/)(.+)")
_PLAIN = "[core]\n\trepositoryformatversion = {version}\n\tbare = false\n\tfileMode = false\n"
_LONG_NAMES = "[extensions]\n\tobjectFormat = sha256\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A commit, and what of the files that were asked about is not as the commit has it.

    `changed` are their paths, sorted; `url` is where the repository is, without credentials, "" where that
    was not asked.
    """

    commit: str
    changed: tuple[str, ...]
    url: str = ""


def revision_of(root: str, files: Iterable[str], *, remote: str = "") -> Revision:
    """Return the commit that the checkout around the folder `root` is at.

    `files` are paths below `root`; those that differ from the commit, or are not in it, are `changed`. The
    address of the `remote` is told where one is named. Settings of the checkout, in which programs could be
    named, are not used: git compares in a repository of its own that borrows the objects. Raises
    CommandLineError where there is no commit or no such remote, LocalEnvironmentError where git fails.
    """
    top = _git(root, "rev-parse", "--show-toplevel").rstrip("\n")
    objects = os.path.join(root, _git(root, "rev-parse", "--git-path", "objects").rstrip("\n"))
    commit = _git(root, "rev-parse", "--verify", "HEAD^{commit}").strip()
    url = _url_of(root, remote) if remote else ""
    prefix = os.path.relpath(os.path.realpath(root), os.path.realpath(top)).replace(os.sep, "/")
    asked = {posixpath.normpath(posixpath.join(prefix, file)): file for file in files}
    with tempfile.TemporaryDirectory(prefix="hermpkg-git-") as folder:
        changed = _changed(folder, top, objects, commit, asked)
    return Revision(commit=commit, changed=tuple(sorted(changed)), url=url)


def _changed(folder: str, top: str, objects: str, commit: str, asked: Mapping[str, str]) -> set[str]:
    """Return the files of `asked` that are not as `commit` has them."""
    os.makedirs(os.path.join(folder, "objects", "info"))
    os.mkdir(os.path.join(folder, "refs"))
    is_long = len(commit) == 64
    for name, text in {
        "HEAD": f"{commit}\n",
        "objects/info/alternates": f"{os.path.realpath(objects)}\n",
        "config": _PLAIN.format(version=int(is_long)) + (_LONG_NAMES if is_long else ""),
    }.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    own = {"GIT_DIR": folder, "GIT_WORK_TREE": top, "GIT_INDEX_FILE": os.path.join(folder, "index")}
    entries = {
        entry.partition("\t")[2]: entry
        for entry in _git(top, "ls-tree", "-r", "-z", "--full-tree", commit, more=own).split("\0")
    }
    known = [entries[path] for path in asked if path in entries]
    _git(top, "update-index", "-z", "--index-info", more=own, given="".join(f"{entry}\0" for entry in known))
    _git(top, "update-index", "-q", "--refresh", more=own, fails=True)
    differing = _git(top, "diff-files", "--name-only", "-z", more=own).split("\0")
    return {
        *(asked[path] for path in differing if path in asked),
        *(file for path, file in asked.items() if path not in entries),
    }


def _url_of(root: str, remote: str) -> str:
    found = _git(root, "config", "--get", f"remote.{remote}.url", fails=True).strip()
    if not found:
        raise CommandLineError(f"the checkout has no remote {remote!r}", next_step="git remote lists them")
    url = public_url(found)
    if not url:
        raise CommandLineError(
            f"the remote {remote!r} is a place on this machine, which means nothing elsewhere",
            next_step="name a remote on a server, or none",
        )
    return url


def public_url(url: str) -> str:
    """Return the address of a repository without credentials; "" for one that is no server's.

    >>> public_url("https://ada:secret@git.example.org/net.git?token=1")
    'git+https://git.example.org/net.git'
    >>> public_url("git@git.example.org:team/net.git"), public_url("/srv/net.git")
    ('git+ssh://git.example.org/team/net.git', '')
    """
    if "://" not in url:
        found = _LIKE_SCP.fullmatch(url)
        return f"git+ssh://{found[1]}/{found[2]}" if found is not None else ""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    scheme = parts.scheme.removeprefix("git+")
    if scheme not in _SCHEMES or not host:
        return ""
    name = f"[{host}]" if ":" in host else host
    return f"git+{scheme}://{name}{f':{port}' if port else ''}{parts.path}"


def _git(
    folder: str, *words: str, more: Mapping[str, str] | None = None, given: str = "", fails: bool = False
) -> str:
    """Run git in `folder`, and return its output; where it may not fail, raise for what it says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment.update({"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", **(more or {})})
    program = shutil.which("git")
    try:
        if program is None or not os.path.isabs(program):  # The checkout's own would not do.
            raise OSError(errno.ENOENT, "git is not installed")
        run = subprocess.run(
            [program, *words],
            cwd=folder,
            env=environment,
            input=given,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or "it takes too long"
        raise LocalEnvironmentError(
            "git cannot be asked for the revision",
            facts=[("reason", str(reason))],
            next_step="install git, or leave --revision out",
        ) from None
    if run.returncode and not fails:
        raise CommandLineError(
            "git knows no revision of the workspace",
            facts=[("folder", folder), ("git", run.stderr.strip() or f"ended with {run.returncode}")],
            next_step="leave --revision out, or attest in a checkout with a commit",
        )
    return run.stdout
