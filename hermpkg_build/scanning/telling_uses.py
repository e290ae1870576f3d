"""Names in code that tell what it does by how they are used."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from hermpkg_build.scanning.known_names import Capability
from hermpkg_build.scanning.name_origins import IMPORTERS

PLAIN_NODES = frozenset({ast.Constant, ast.Load, ast.Store, ast.Del})
IMPORT_TABLES = frozenset({"sys.modules", "sys.path", "sys.meta_path", "sys.path_hooks"})
OPENERS = frozenset({"builtins.open", "io.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open"})
JUDGED_BY_CALL = OPENERS | IMPORTERS | {"torch.load", "numpy.load", *IMPORT_TABLES}
TYPE_TESTS = frozenset({"builtins.isinstance", "builtins.issubclass"})
ON_MODULES = frozenset({"builtins.getattr", "builtins.hasattr", "builtins.vars"})
LOOKING = frozenset({"sys.modules.get", "sys.modules.keys", "sys.path.copy", "os.environ.copy"})
HARMLESS_BUILTINS = frozenset({"builtins.vars", "builtins.locals", "builtins.getattr", "builtins.super"})
INTERNALS: Mapping[str, Capability] = {
    **dict.fromkeys(
        [
            "__subclasses__",
            "__globals__",
            "__builtins__",
            "f_globals",
            "f_builtins",
            "f_locals",
            "f_back",
            "gi_frame",
            "cr_frame",
            "ag_frame",
            "tb_frame",
            "__code__",
            "func_globals",
            "func_code",
            "co_consts",
        ],
        Capability.INTERNALS,
    ),
    **dict.fromkeys(["exec_module", "load_module", "create_module"], Capability.IMPORTS),
}
TELLING: Mapping[str, Capability] = {
    **dict.fromkeys(
        [
            "system",
            "popen",
            "Popen",
            "check_output",
            "check_call",
            "getoutput",
            "execv",
            "execve",
            "execvp",
            "fork",
            "spawnv",
        ],
        Capability.PROCESSES,
    ),
    **dict.fromkeys(
        ["write_text", "write_bytes", "unlink", "rmdir", "rmtree", "tofile", "symlink_to", "extractall"],
        Capability.WRITES,
    ),
    **dict.fromkeys(["read_text", "read_bytes"], Capability.READS),
    **dict.fromkeys(["urlopen", "urlretrieve"], Capability.NETWORK),
    **dict.fromkeys(["load_library"], Capability.NATIVE),
}
"""What methods of objects that nothing is known of do, by names that hardly mean anything else."""
