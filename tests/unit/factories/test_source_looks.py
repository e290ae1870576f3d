"""A module counts by its code where a factory only runs it, and by its text where something looks at that."""

from __future__ import annotations

import pytest

from tests.unit.factories.conftest import ModelWorkspace

LOOKS = {
    "text": "return open(__file__).read()",
    "bytes_by_path": "import pathlib; return pathlib.Path(__file__).read_bytes()",
    "size": "import os; return os.path.getsize(__file__)",
    "time": "import os; return os.lstat(__file__).st_mtime",
    "source_of_loader": "return __loader__.get_source(__name__)",
    "data_of_loader": "return __loader__.get_data(__file__)",
    "code_of_loader": "return __loader__.get_code(__name__).co_name",
    "another_loader": (
        "from importlib.machinery import SourceFileLoader\n"
        "    return SourceFileLoader('other', __file__).get_code('other').co_name"
    ),
    "inspected": "import inspect; return inspect.getsource(make)",
    "cached_line": "import linecache; return linecache.getline(__file__, 2)",
    "linked": "import os; os.symlink(__file__, 'link.txt')\n    return open('link.txt').read()",
    "line_of_frame": "import sys; return sys._getframe().f_lineno",
    "line_of_traceback": (
        "try:\n        1 / 0\n    except Exception as e:\n        return e.__traceback__.tb_lineno"
    ),
    "formatted_traceback": (
        "import traceback\n    try:\n        1 / 0\n    except Exception as e:\n"
        "        return traceback.format_exception(e)"
    ),
    "first_line_of_code": "return make.__code__.co_firstlineno",
    "lines_of_code": "return list(make.__code__.co_lines())",
    "code_of_code": "return list(make.__code__.replace(co_filename='x').co_lines())",
    "shown_code": "return repr(make.__code__)",
    "hash_of_code": "return hash(make.__code__)",
    "code_in_a_set": "return len({make.__code__})",
    "compared_code": "return make.__code__ == (lambda: 1).__code__",
    "method_that_compares": "return type(make.__code__).__ne__(make.__code__, 1)",
    "formatted_frame": "import sys; return f'{sys._getframe()}'",
    "method_of_code": "import types; return types.CodeType.__repr__(make.__code__)",
    "size_by_system": "import posix; return posix.stat(__file__).st_size",
    "size_of_link_by_system": "import posix; return posix.lstat(__file__).st_size",
    "opened_from_folder": (
        "import os\n    folder = os.open(os.path.dirname(__file__), os.O_RDONLY)\n"
        "    return os.read(os.open('opened_from_folder.py', os.O_RDONLY, dir_fd=folder), 100)"
    ),
    "opened_from_folder_by_system": (
        "import os, posix\n    folder = os.open(os.path.dirname(__file__), os.O_RDONLY)\n"
        "    return os.read(posix.open('opened_from_folder_by_system.py', os.O_RDONLY, dir_fd=folder), 100)"
    ),
    "caught_warning": (
        "import warnings\n    with warnings.catch_warnings(record=True) as seen:\n"
        "        warnings.simplefilter('always')\n        warnings.warn('text')\n    return seen[0].lineno"
    ),
    "log_record": (
        "import logging\n    seen = []\n    handler = logging.Handler(); handler.emit = seen.append\n"
        "    logging.getLogger().addHandler(handler); logging.warning('text'); return seen[0].lineno"
    ),
}
RUNS = {
    "value": "return 1",
    "what_is_there": (
        "import os; return os.path.exists(__file__) and os.path.isfile(os.path.realpath(__file__))"
    ),
    "names_in_folder": "import os; return sorted(os.listdir(os.path.dirname(__file__)))",
    "compiled_text": "return eval(compile('(lambda: 1)()', 'a text', 'eval'))",
    "closures": "return [f() for f in (lambda: 1, lambda: 2, lambda: [x for x in (3, 4)])]",
    "signature": "import inspect; return str(inspect.signature(make))",
    "docstring": "return make.__doc__",
    "dataclass_made": "import dataclasses; return dataclasses.make_dataclass('A', ['x'])(1).x",
    "caught_error": "try:\n        1 / 0\n    except ZeroDivisionError as e:\n        return str(e)",
}
UNSEEN = {
    "sizes_in_folder": (
        "import os; return [entry.stat().st_size for entry in os.scandir(os.path.dirname(__file__))]"
    ),
    "sizes_in_open_folder": (
        "import os; folder = os.open(os.path.dirname(__file__), os.O_RDONLY)\n"
        "    return [entry.stat().st_size for entry in os.scandir(folder)]"
    ),
    "native": "import ctypes; return ctypes.CDLL(None).open(__file__.encode(), 0) > 0",
    "fault": (
        "import faulthandler, tempfile; file = tempfile.TemporaryFile(); faulthandler.dump_traceback(file)\n"
        "    return 1"
    ),
    "allocations": "import tracemalloc; tracemalloc.start(); tracemalloc.stop(); return 1",
    "process": "import subprocess; return subprocess.check_output(['cat', __file__])",
    "marshalled": "import marshal; return marshal.dumps(make.__code__)",
    "tracing": "import sys; sys.setprofile(lambda *event: None); sys.setprofile(None); return 1",
}
"""After these no module counts by its code: nobody knows at which of them they look."""


def test_modules_count_by_their_text_where_it_is_looked_at_and_else_by_their_code(
    models: ModelWorkspace,
) -> None:
    for name, body in {**LOOKS, **RUNS}.items():
        models.write(f"pkg/{name}.py", f"def make():\n    {body}\n")
    names = ", ".join({**LOOKS, **RUNS})
    models.write(
        "net.py",
        f"from pkg import {names}\ndef make(): return [module.make() for module in [{names}]]\n",
    )
    observed = models.make("net:make").observed_files
    root = str(models.root)
    assert {path.removeprefix(root) for path in observed.code} == {
        "/net.py",
        *(f"/pkg/{name}.py" for name in RUNS),
    }
    assert {path.removeprefix(root) for path in observed.read if path.startswith(root)} == {
        f"/pkg/{name}.py" for name in LOOKS
    }


@pytest.mark.parametrize("look", UNSEEN)
def test_no_module_counts_by_its_code_where_nobody_sees_what_is_looked_at(
    look: str, models: ModelWorkspace
) -> None:
    path = str(models.write("net.py", f"def make():\n    {UNSEEN[look]}\n"))
    observed = models.make("net:make").observed_files
    assert path in observed.read
    assert observed.code == ()
