"""Notes whose text, size or line numbers code looks at: of these a comment can change what a factory makes.

The code of a module is the same whatever comments and blank lines its source has. What differs with them are
the text, the attributes of the file, and the line numbers that code objects, frames and tracebacks carry.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial, wraps
from threading import get_ident
from types import CodeType, FrameType, TracebackType
from typing import Any

from hermpkg_build.factories.line_of_class import LineOfClass
from hermpkg_build.factories.workspace_finder import FreshSourceLoader, is_machinery
from hermpkg_build.source.class_lines import CLASSES_KNOW_LINES, with_lines

_POSITIONS: dict[type, tuple[str, ...]] = {
    FrameType: ("f_lineno", "__repr__"),
    TracebackType: ("tb_lineno",),
    CodeType: (
        *("co_firstlineno", "co_lines", "co_positions", "co_linetable", "co_lnotab"),
        *("replace", "__replace__", "__repr__", "__hash__", "__eq__", "__ne__"),
        *(("co_consts", "co_code", "_co_code_adaptive") if CLASSES_KNOW_LINES else ()),
    ),
}
"""The attributes that tell line numbers, or give objects that do.

Where classes know their lines, those are among what their code has.
"""
_LOOKED_UP = "ctypes.dlsym"
UNSEEN_EVENTS = frozenset(
    {
        _LOOKED_UP,
        *("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"),
        *("marshal.dumps", "sys.monitoring.register_callback", "sys.setprofile", "sys.settrace"),
    }
)
"""The audit events after which other processes, or native code, can look without being seen.

Of those of functions that `ctypes` looks up, some are.
"""
_UNSEEN_CALLS = {
    "_tracemalloc": ("start",),
    "faulthandler": ("dump_traceback", "dump_traceback_later", "register"),
}
"""The functions of native modules that take line numbers from frames themselves."""
_FUNCTIONS_OF_LIBC = frozenset(
    {"open", "open64", "openat", "fopen", "fopen64", "mmap", "stat", "stat64", "statx", "lstat", "system"}
    | {"popen", "execv", "execve", "posix_spawn", "PyFrame_GetLineNumber", "PyCode_Addr2Line"}
)
"""Those that look at files, or at lines, where code calls them by `ctypes`."""
_ASK_WHAT_IS_THERE = frozenset(
    {"exists", "lexists", "isfile", "isdir", "islink", "ismount", "realpath", "_joinrealpath"}
)
"""The functions of `os.path` that ask whether there is a file, and nothing that an edit changes."""
_OBSERVERS = (__name__, "hermpkg_build.factories.observation")
_OWN_MARSHAL = "hermpkg_build.pickles.values"
"""The module of ours that compares plain values by what `marshal` makes of them."""
_SLOTS: dict[str, tuple[int, Any, tuple[Any, ...]]] = {
    "__repr__": (9, ctypes.py_object, ()),
    "__hash__": (13, ctypes.c_ssize_t, ()),
    "__eq__": (23, ctypes.py_object, (ctypes.py_object, ctypes.c_int)),
}
"""Where the functions are in a type, behind its head, that Python calls itself, what they return and take.

The attributes are only names of these. The lines of code count where it is compared, or hashed.
"""
_kept: list[object] = []
"""What Python's own types refer to from now on."""
_stat = os.stat
_LOADER_READS = FreshSourceLoader.get_code.__code__


class SourceLooks:
    """Notes the files whose sources this process looks at, from now on; it cannot be undone.

    Attributes of Python's own types are replaced for that. Where an interpreter does not let them be
    replaced, all sources count as looked at. `hides_lines` says that classes have another thing for theirs.
    """

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._all = False
        self._paused_in = 0
        self.hides_lines = False
        _observe_warnings(self)
        try:
            for owner, names in _POSITIONS.items():
                for name in names:
                    _replace_attribute(owner, name, self)
                    if name in _SLOTS:
                        _replace_slot(owner, name, self)
            _observe_native_modules(self)
        except Exception:  # noqa: BLE001 -- another implementation of Python
            self._all = True
        here = sys._getframe()
        looks: tuple[Callable[[], object], ...] = (
            lambda: here.f_lineno,
            lambda: repr(here),
            lambda: repr(here.f_code),
            lambda: hash(here.f_code),
            lambda: here.f_code == here.f_code,
        )
        self._blind = self._all or not all(map(self._sees, looks))
        self._all = self._blind

    def _sees(self, look: Callable[[], object]) -> bool:
        """Whether it is noted that `look` looks at this file."""
        self._files.clear()
        look()
        return os.path.abspath(self._sees.__code__.co_filename) in self._files

    def take(self) -> tuple[set[str], set[str], bool]:
        """Return all that was noted, and forget it."""
        taken = self._files, self._folders, self._all
        self._files, self._folders, self._all = set(), set(), self._blind
        return taken

    def add(self, taken: tuple[set[str], set[str], bool]) -> None:
        """Note what `take` gave."""
        files, folders, all_files = taken
        self._files |= files
        self._folders |= folders
        self._all = self._all or all_files

    def note(self, path: object) -> None:
        """Note that code looks at a file, or at line numbers in it."""
        if self._paused_in == get_ident():
            return
        try:
            self._files.add(os.path.abspath(os.fsdecode(path)))  # type: ignore[arg-type]
        except (TypeError, ValueError, OSError):
            self._all = True

    def note_all(self) -> None:
        """Note that something looks at nobody knows what."""
        self._all = self._all or self._paused_in != get_ident()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """A context in which this thread looks at sources for its messages alone.

        A library that is imported keeps the stack, to show it if something fails much later: torch does.
        """
        before, self._paused_in = self._paused_in, get_ident()
        try:
            yield
        finally:
            self._paused_in = before

    def with_lines_of_classes(self, compiled: Callable[[], CodeType], *, plain: bool) -> CodeType:
        """Return the code of a module, `compiled` to be run: its classes let nobody have their lines unseen.

        Where they must have them as `plain` numbers, or cannot have others, all who run it look.
        """

        def line_of(body: CodeType) -> LineOfClass:
            return LineOfClass(body.co_firstlineno, partial(self.note, body.co_filename))

        with self.paused():  # The compiler compares code with code.
            code = compiled()
            changed = with_lines(code, line_of)
        if changed is code:
            return code
        if changed is None or plain:
            self.note(code.co_filename)
            return code
        self.hides_lines = True
        return changed

    def note_folder(self, path: str) -> None:
        """Note that code lists a folder with the attributes of its files."""
        self._folders.add(path)

    def among(self, paths: Iterable[str]) -> set[str]:
        """Those of the absolute `paths` of sources that may have been looked at, by whatever names."""
        wanted = set(paths)
        if self._all or not wanted:
            return wanted
        names = self._files | {_source_of(name) for name in self._files if name.endswith(".pyc")}
        files = {identity for name in self._files if (identity := _identity(name))}
        folders = {identity for name in self._folders if (identity := _identity(name))}
        return {
            path
            for path in wanted
            if path in names or _identity(path) in files or _identity(os.path.dirname(path)) in folders
        }

    def on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take note of one of `UNSEEN_EVENTS`, which say nothing of the files that they lead to."""
        if event == _LOOKED_UP:
            is_unseen = arguments[-1] in _FUNCTIONS_OF_LIBC
        else:
            asker = _asker()
            is_unseen = asker is None or asker.f_globals.get("__name__") != _OWN_MARSHAL
        if is_unseen:
            self.note_all()

    def note_open(self, path: str) -> None:
        """Note a file that is opened, save where the import system reads a module's source to run it."""
        frame = _asker()
        if frame is not None and frame.f_code.co_name == "get_data":
            frame = frame.f_back
            if frame is not None and frame.f_code is _LOADER_READS and _is_import(frame.f_back):
                return
        self.note(path)

    def note_status(self, path: str, options: dict[str, Any]) -> None:
        """Note a file whose attributes code asks for, unless it only asks whether the file is there."""
        if options.get("dir_fd") is not None:
            if path.endswith(".py"):
                self.note_all()
            return
        frame = _asker()
        asker = frame.f_globals.get("__name__") if frame is not None else ""
        asks = frame is not None and frame.f_code.co_name in _ASK_WHAT_IS_THERE
        if not (asks and asker in ("genericpath", "posixpath")):
            self.note(path)


def _asker() -> FrameType | None:
    """The frame of the code that asks for something right now, beyond those of the observer."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") in _OBSERVERS:
        frame = frame.f_back
    return frame


def _identity(path: str) -> tuple[int, int] | None:
    """What all names of a file or folder have in common; None where there is none."""
    try:
        status = _stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _source_of(compiled: str) -> str:
    """The path of the source that a file in ``__pycache__`` was compiled from."""
    folder, name = os.path.split(compiled)
    return os.path.join(os.path.dirname(folder), f"{name.partition('.')[0]}.py")


def _is_import(frame: FrameType | None) -> bool:
    return frame is not None and frame.f_code.co_name == "exec_module" and is_machinery(_file_of(frame))


def _file_of(frame: FrameType) -> str:
    return frame.f_code.co_filename


def _replace_attribute(owner: type, name: str, looks: SourceLooks) -> None:
    """Let an attribute of one of Python's own types note whose line numbers it is asked for."""
    attributes: dict[str, Any] = gc.get_referents(owner.__dict__)[0]
    original = attributes.get(name)
    if original is None:
        return

    def note(found: Any) -> None:
        looks.note(_code_of(found).co_filename)

    def read(found: Any) -> Any:
        note(found)
        return original.__get__(found)

    def call(found: Any, *arguments: Any, **options: Any) -> Any:
        note(found)
        return original(found, *arguments, **options)

    def write(found: Any, value: Any) -> None:
        original.__set__(found, value)

    attributes[name] = wraps(original)(call) if callable(original) else property(read, write)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))


def _code_of(found: Any) -> CodeType:
    """Return the code of a frame or a traceback, or of itself."""
    code: CodeType = (
        found if isinstance(found, CodeType) else getattr(found, "f_code", None) or found.tb_frame.f_code
    )
    return code


def _replace_slot(owner: type, name: str, looks: SourceLooks) -> None:
    """Let a function that Python itself calls take note of what it is called with."""
    place, returned, more = _SLOTS[name]
    kind = ctypes.PYFUNCTYPE(returned, ctypes.py_object, *more)
    offset = object.__basicsize__ + place * ctypes.sizeof(ctypes.c_void_p)
    slot = ctypes.c_void_p.from_address(id(owner) + offset)
    original = kind(slot.value or 0)

    def called(found: Any, *others: Any) -> Any:
        for each in (found, *others):
            if isinstance(each, owner):
                looks.note(_code_of(each).co_filename)
        return original(found, *others)

    replaced = kind(called)
    _kept.append(replaced)
    slot.value = ctypes.cast(replaced, ctypes.c_void_p).value


def _observe_native_modules(looks: SourceLooks) -> None:
    for module, functions in _UNSEEN_CALLS.items():
        found = importlib.import_module(module)
        for name in functions:
            setattr(found, name, _calling_in(partial(_all_at_once, looks), getattr(found, name)))


def _observe_warnings(looks: SourceLooks) -> None:
    """Note the file that each warning is about: Python takes the line from the frame itself."""
    original = warnings.WarningMessage.__init__

    @wraps(original)
    def initialise(self: Any, message: Any, category: Any, filename: Any, *rest: Any, **named: Any) -> None:
        looks.note(filename)
        original(self, message, category, filename, *rest, **named)

    vars(warnings)["WarningMessage"].__init__ = initialise


def observe_torch_positions(looks: SourceLooks) -> None:
    """Note where torch's native code takes line numbers from frames: for tracebacks, and where it traces.

    The stacks that it keeps for the message of a device that cannot be initialised are nobody's input.
    """
    modules = {name: module for name, module in sys.modules.copy().items() if name.startswith("torch.")}
    for module in modules.values():
        later = getattr(module, "__dict__", {}).get(_CALLED_LATER)
        if later is not None:
            setattr(module, _CALLED_LATER, _calling_in(looks.paused, later))
    profiler, tracing = modules.get("torch._C._profiler"), modules.get("torch.jit._trace")
    for owner, name in ((profiler, "symbolize_tracebacks"), (tracing, _TRACING)):
        function = getattr(owner, name, None)
        if owner is not None and function is not None:
            setattr(owner, name, _calling_in(partial(_all_at_once, looks), function))
        elif name == _TRACING:
            looks.note_all()


_CALLED_LATER = "_lazy_call"
"""What modules of torch call the function that keeps a call, with its stack, until there is a device."""
_TRACING = "_create_interpreter_name_lookup_fn"
"""The function of `torch.jit._trace` that all ways to trace call before they do."""


@contextmanager
def _all_at_once(looks: SourceLooks) -> Iterator[None]:
    looks.note_all()
    yield


def _calling_in(
    context: Callable[[], AbstractContextManager[None]], original: Callable[..., Any]
) -> Callable[..., Any]:
    """`original`, called in a context each time."""

    @wraps(original)
    def calling(*arguments: Any, **options: Any) -> Any:
        with context():
            return original(*arguments, **options)

    return calling
