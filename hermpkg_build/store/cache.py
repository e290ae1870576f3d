"""The cache as a whole: opened in a folder, closed when a build is done, deleted on request."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress

from hermpkg_build.dataclass import dataclass, field, replace
from hermpkg_build.disk.cache_tag import TAG, TAG_NAME, is_cache
from hermpkg_build.disk.files import write_all
from hermpkg_build.disk.replacing import NewFile, new_folder, remove_abandoned
from hermpkg_build.disk.trust import VARIABLE, is_trusted, stranger_in
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.store.action_cache import ActionCache
from hermpkg_build.store.content import ContentStore
from hermpkg_build.store.database import Database
from hermpkg_build.store.environments import environments_folder
from hermpkg_build.store.failures import cache_errors, cannot_write
from hermpkg_build.store.index import DigestIndex, FactsCache
from hermpkg_build.store.usage import Usage

FORMAT_FOLDER = "v1"
"""The folder of this cache format; a later version that changes the layout takes another."""

RUNNING = "running"
"""The folder that holds a folder for each process that has the cache open."""

ABANDONED_S = 2 * 24 * 3600
"""The age at which an entry of ``tmp`` belongs to a process that was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """The cache in the folder `directory`; close it when the build is done.

    While it is open, nothing that it has given out is removed by `pruning`. `usage` says what that is.
    Where the folder is not `writable`, contents and results of this process lie in a temporary folder until
    `close`, and `warnings` says so.
    """

    directory: str
    content: ContentStore
    actions: ActionCache
    digests: DigestIndex
    facts: FactsCache
    usage: Usage
    warnings: tuple[str, ...] = ()
    _running: ExitStack = field(default_factory=ExitStack, repr=False)
    _database: Database = field(repr=False)
    _scratch: _Scratch | None = field(default=None, repr=False)

    @property
    def writable(self) -> bool:
        """Whether what is found out is kept for later builds."""
        return self._scratch is None

    def flush(self) -> None:
        """Write the new digests and facts, in one transaction."""
        self._database.put_many({**self.digests.pending(), **self.facts.pending()})

    def close(self) -> None:
        """Flush, close files, and remove the temporary folder."""
        self.flush()
        self._database.close()
        self._running.close()
        if self._scratch:
            self._scratch.remove()


def open_cache(directory: str) -> Cache:
    """The cache in the folder `directory`, which is made where it is missing.

    A folder that cannot be written is read only; where other users can exchange files it is not even read.
    Raises LocalEnvironmentError where the path is no folder, or nothing at all can be written.
    """
    # Links are followed once: their owners cannot let them lead elsewhere afterwards.
    root = os.path.join(os.path.realpath(directory), FORMAT_FOLDER)
    if (stranger := stranger_in(root)) and not is_trusted(root):
        warning = (
            f"nothing of the cache {directory} is used, nor of this build kept: {stranger}\n"
            f"  -> choose a folder of your own with --cache-dir DIR, or trust it: {VARIABLE}={directory}"
        )
        return _open_scratch(root, warning, believed=False)
    try:
        _prepare(root)
    except (FileExistsError, NotADirectoryError) as error:
        in_the_way = error.filename if isinstance(error, FileExistsError) else None
        raise LocalEnvironmentError(
            "the cache folder is not a folder",
            facts=[("path", in_the_way or os.path.abspath(directory))],
            next_step="remove the file, or choose another folder with --cache-dir DIR",
        ) from error
    except OSError as error:
        return _open_read_only(root, error)
    opened = _opened(root, root)
    with suppress(OSError):
        os.makedirs(os.path.join(root, RUNNING), exist_ok=True)
        opened._running.enter_context(new_folder(os.path.join(root, RUNNING)))
    return opened


def delete_cache(directory: str) -> bool:
    """Delete the caches of every format version in a folder, and the folder once it is empty.

    Environments, which programs may run in, stay. Only folders that carry the marker file of this program are
    touched. False where there is none. Raises LocalEnvironmentError where the file system refuses.
    """
    import shutil

    deleted = False
    with cache_errors(directory), suppress(FileNotFoundError):
        for name in sorted(os.listdir(directory)):
            folder = os.path.join(directory, name)
            if os.path.islink(folder) or not is_cache(folder) or folder == environments_folder(directory):
                continue
            # The folder is renamed first: a process that starts now starts with an empty cache. It
            # keeps its marker file, so that the rest is found the next time where this is killed.
            doomed = os.path.join(directory, f"deleted-{os.urandom(8).hex()}")
            os.rename(folder, doomed)
            shutil.rmtree(doomed)
            deleted = True
        if deleted:
            with suppress(OSError):
                os.rmdir(directory)
    return deleted


class _Scratch:
    """A temporary folder of this process that is removed once, at the latest when the process ends."""

    def __init__(self) -> None:
        import shutil
        import tempfile
        import weakref

        self.path = tempfile.mkdtemp(prefix="hermpkg-")
        process = os.getpid()

        def remove(path: str) -> None:
            if os.getpid() == process:
                shutil.rmtree(path, ignore_errors=True)

        self.remove = weakref.finalize(self, remove, self.path)


def _open_read_only(root: str, reason: OSError) -> Cache:
    why = os.strerror(reason.errno) if reason.errno else str(reason)
    warning = f"nothing of this build is kept: the cache {os.path.dirname(root)} cannot be written ({why})"
    return _open_scratch(root, warning, believed=True)


def _open_scratch(root: str, warning: str, *, believed: bool) -> Cache:
    """A cache in a temporary folder; where the one in `root` is `believed`, that is read too."""
    try:
        scratch = _Scratch()
    except OSError as error:
        raise cannot_write(error, root) from error
    opened = _opened(scratch.path, root if believed else scratch.path)
    return replace(opened, directory=os.path.dirname(root), warnings=(warning,), _scratch=scratch)


def _opened(folder: str, root: str) -> Cache:
    """The cache of `root` that writes contents and results to `folder`: `root` itself, or one apart."""
    read_only = [root] if folder != root else []
    database = Database(root, writable=not read_only)
    usage = Usage(folder)
    return Cache(
        directory=os.path.dirname(root),
        content=ContentStore(folder, read_only=read_only, usage=usage),
        actions=ActionCache(folder, read_only=read_only, usage=usage),
        usage=usage,
        digests=DigestIndex(database),
        facts=FactsCache(database),
        _database=database,
    )


def _prepare(root: str) -> None:
    """Make the folder with its marker file, check that it can be written, remove what killed processes left.

    Raises OSError.
    """
    temporary = os.path.join(root, "tmp")
    os.makedirs(temporary, exist_ok=True)
    with NewFile(temporary) as probe:
        write_all(probe.descriptor, TAG)
        if not is_cache(root):
            probe.replace(os.path.join(root, TAG_NAME))
    remove_abandoned(temporary, age_s=ABANDONED_S)
