"""Import statements of packaged code: every form, cycles, failures, reload, and what isolation forbids."""

from __future__ import annotations

import builtins
import importlib
import sys
import traceback

import pytest


def test_every_form_of_import(load) -> None:
    importer = load(
        {
            "lib/__init__.py": "from . import one\nname = 'lib'\n",
            "lib/one.py": "value = 1\n",
            "lib/sub/__init__.py": "from ..one import value as up\n",
            "lib/sub/deep.py": "from .. import one\nfrom . import sibling\nfrom ..one import *\n",
            "lib/sub/sibling.py": "value = 'sibling'\n",
            "top.py": """
                import lib.sub.deep
                import lib.sub.deep as deep
                from lib.sub import deep as again, sibling
                from lib import name
                results = (lib.name, deep is lib.sub.deep is again, sibling.value, name, deep.value)
            """,
        }
    )
    assert importer.import_module("top").results == ("lib", True, "sibling", "lib", 1)
    assert importer.import_module("lib.sub").up == 1


def test_star_import_honours_all_and_imports_submodules_that_it_names(load) -> None:
    importer = load(
        {
            "lib/__init__.py": "__all__ = ['shown', 'child']\nshown = 1\nhidden = 2\n",
            "lib/child.py": "",
            "main.py": "from lib import *\nnames = sorted(n for n in dir() if not n.startswith('__'))\n",
        }
    )
    assert importer.import_module("main").names == ["child", "shown"]


def test_module_getattr_serves_what_from_import_asks_for(load) -> None:
    importer = load(
        {
            "lazy/__init__.py": """
                def __getattr__(name):
                    if name == "thing":
                        from .heavy import thing
                        return thing
                    raise AttributeError(name)
            """,
            "lazy/heavy.py": "thing = 'heavy'\n",
            "main.py": "from lazy import thing\n",
        }
    )
    assert importer.import_module("main").thing == "heavy"


def test_circular_imports(load) -> None:
    importer = load(
        {
            "ring/__init__.py": "",
            "ring/a.py": "from ring import b\nimport ring.b as also\nx = 1\n",
            "ring/b.py": "import ring.a\nfrom . import a\ndef get(): return a.x\n",
        }
    )
    assert importer.import_module("ring.a").b.get() == 1


def test_a_module_may_replace_itself(load) -> None:
    importer = load(
        {
            "lib/__init__.py": "",
            "lib/swap.py": """
                import sys, types
                class Lazy(types.ModuleType):
                    answer = 42
                sys.modules[__name__] = Lazy(__name__)
            """,
            "main.py": "import lib.swap\nfrom lib.swap import answer\nsame = lib.swap.answer == answer\n",
        },
        externs=["sys", "types"],
    )
    assert importer.import_module("main").same
    assert importer.import_module("lib.swap").answer == 42


def test_a_failed_import_leaves_nothing_and_can_be_repeated(load) -> None:
    importer = load(
        {
            "bad.py": "import good\nflag = good.flag\nif flag: raise ValueError('no')\n",
            "good.py": "flag = 1\n",
        }
    )
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            importer.import_module("bad")
        assert "bad" not in importer.modules
        assert f"{importer.id()}.bad" not in sys.modules
    importer.import_module("good").flag = 0
    assert importer.import_module("bad").flag == 0


def test_a_missing_name_is_an_import_error_and_a_missing_module_says_so(load) -> None:
    importer = load(
        {"lib/__init__.py": "", "a.py": "from lib import nothing\n", "b.py": "import lib.nothing\n"}
    )
    with pytest.raises(ImportError, match="cannot import name 'nothing'") as name_error:
        importer.import_module("a")
    assert not isinstance(name_error.value, ModuleNotFoundError)
    with pytest.raises(ModuleNotFoundError, match=r"'lib' is packaged, but this part of it is not") as error:
        importer.import_module("b")
    assert error.value.name == "lib.nothing"


def test_import_of_a_child_of_a_module_that_is_no_package(load) -> None:
    importer = load({"plain.py": "", "main.py": "import plain.child\n"})
    with pytest.raises(ModuleNotFoundError) as error:
        importer.import_module("main")
    assert error.value.name == "plain.child"


def test_optional_imports_work_as_they_do_unpackaged(load) -> None:
    importer = load(
        {"main.py": "try:\n    import not_here\nexcept ImportError as e:\n    missing = e.name\n"},
    )
    assert importer.import_module("main").missing == "not_here"


def test_what_is_neither_packaged_nor_extern_cannot_be_seen(load) -> None:
    importer = load({"main.py": "import json\n"}, externs=["math"])
    import json  # noqa: F401 -- that the host has it makes no difference

    with pytest.raises(ModuleNotFoundError, match=r"extern\(\"json\.\*\*\"\)") as error:
        importer.import_module("main")
    assert error.value.name == "json"
    with pytest.raises(ModuleNotFoundError):
        importer.import_module("json")


def test_packaged_modules_hide_the_hosts_of_the_same_name(load) -> None:
    importer = load({"json/__init__.py": "mine = True\n", "main.py": "import json\nmine = json.mine\n"})
    assert importer.import_module("main").mine
    assert not hasattr(importlib.import_module("json"), "mine")


def test_an_extern_covers_its_submodules_and_gives_the_hosts_objects(load) -> None:
    importer = load(
        {"main.py": "import xml.etree.ElementTree as tree\nimport json.decoder\nfrom json import encoder\n"},
        externs=["xml", "json"],
    )
    main = importer.import_module("main")
    import json.encoder
    import xml.etree.ElementTree

    assert main.tree is xml.etree.ElementTree
    assert main.json is json
    assert main.encoder is json.encoder


def test_the_parent_of_an_extern_shows_the_hosts_content(load) -> None:
    importer = load(
        {
            "main.py": """
                import os.path
                import collections.abc
                cwd, ordered = os.getcwd, collections.OrderedDict
            """
        },
        externs=["os.path", "collections.abc"],
    )
    import os

    assert importer.import_module("main").cwd is os.getcwd


def test_walking_over_sys_modules_imports_nothing(load) -> None:
    importer = load({}, ["tabnanny.child"])
    sys.modules.pop("tabnanny", None)
    parent = importer.import_module("tabnanny")
    for module in list(sys.modules.values()):
        getattr(module, "__warningregistry__", None)
    assert "tabnanny" not in sys.modules
    with pytest.raises(AttributeError):
        parent.__warningregistry__  # noqa: B018 -- the lookup is what is tested


def test_a_submodule_packaged_below_an_extern_package(load) -> None:
    importer = load(
        {
            "json/patched.py": "from json import dumps\nfrom . import loads\nmine = True\n",
            "main.py": "import json\nimport json.patched\nfrom json import decoder, patched as again\n",
        },
        externs=["json"],
    )
    import json.decoder

    main = importer.import_module("main")
    assert main.json.patched.mine
    assert main.again is main.json.patched
    assert main.json.dumps is json.dumps
    assert main.decoder is json.decoder
    assert not hasattr(json, "patched")


def test_resources_in_a_folder_named_like_an_extern(load) -> None:
    importer = load({"json/a.txt": "text", "main.py": "import json\n"}, externs=["json"])
    import json

    assert importer.import_module("main").json is json
    assert importer.load_text("json", "a.txt") == "text"


def test_an_extern_below_a_packaged_package(load) -> None:
    importer = load(
        {
            "json/__init__.py": "from . import decoder\nfrom .scanner import make_scanner\n",
            "main.py": "import json.decoder\nfound = json.decoder\n",
        },
        externs=["json.decoder", "json.scanner"],
    )
    import json.decoder

    assert importer.import_module("main").found is json.decoder
    assert json.decoder.__name__ == "json.decoder"
    assert json.decoder.__spec__.name == "json.decoder"


def test_below_a_packaged_package_only_what_is_packaged_exists(load) -> None:
    importer = load({"json/__init__.py": "", "main.py": "import json.decoder\n"}, externs=["xml"])
    with pytest.raises(ModuleNotFoundError):
        importer.import_module("main")


def test_relative_imports_cannot_leave_the_package(load) -> None:
    importer = load(
        {
            "lib/__init__.py": "",
            "lib/far.py": "from .. import other\n",
            "other.py": "",
            "top.py": "from . import other\n",
        }
    )
    with pytest.raises(ImportError, match="beyond top-level package"):
        importer.import_module("lib.far")
    with pytest.raises(ImportError, match="no known parent package"):
        importer.import_module("top")


def test_explicit_dunder_import(load) -> None:
    importer = load(
        {
            "lib/__init__.py": "",
            "lib/sub.py": "value = 3\n",
            "main.py": """
                a = __import__("lib.sub")
                b = __import__("lib.sub", fromlist=["value"])
                c = __import__("lib.sub", globals(), locals(), [], 0)
                def unlisted():
                    return __import__("json", globals(), globals(), [], 0)
            """,
        }
    )
    main = importer.import_module("main")
    assert main.a is main.c
    assert main.a.sub is main.b
    with pytest.raises(ModuleNotFoundError):
        main.unlisted()


def test_c_code_called_by_packaged_code_imports_for_itself(load) -> None:
    importer = load(
        {"main.py": "import datetime\nday = datetime.datetime.strptime('2020-02-03', '%Y-%m-%d').day\n"},
        externs=["datetime"],
    )
    sys.modules.pop("_strptime", None)
    assert importer.import_module("main").day == 3


def test_c_code_never_gets_a_packaged_module_of_the_same_name(load) -> None:
    importer = load(
        {
            "_strptime.py": "raise RuntimeError('mistaken for the standard library')\n",
            "main.py": "import datetime\nday = datetime.datetime.strptime('2020-02-03', '%Y-%m-%d').day\n",
        },
        externs=["datetime"],
    )
    assert importer.import_module("main").day == 3


def test_host_code_keeps_its_imports(load) -> None:
    before = builtins.__import__
    importer = load({"json/__init__.py": "import importlib\nview = importlib\n"}, externs=["importlib"])
    module = importer.import_module("json")
    assert builtins.__import__ is before
    assert module.view is not importlib
    assert sys.modules["importlib"] is importlib
    assert importlib.import_module("json").__name__ == "json"


def test_reload_runs_the_source_again_in_the_same_module(load) -> None:
    importer = load(
        {
            "counted.py": "count = globals().get('count', 0) + 1\n",
            "main.py": "import importlib, counted\nsame = importlib.reload(counted) is counted\n",
        },
        externs=["importlib"],
    )
    assert importer.import_module("main").same
    assert importer.import_module("counted").count == 2
    assert importlib.reload(importer.import_module("counted")).count == 3


def test_names_that_name_nothing(load) -> None:
    importer = load({"lib/__init__.py": ""})
    with pytest.raises(ValueError, match="Empty module name"):
        importer.import_module("")
    for name in ("a..b", "lib.sub.__init__", "lib/none", " ", "torch_package_importer.x"):
        with pytest.raises(ModuleNotFoundError):
            importer.import_module(name)
    with pytest.raises(TypeError):
        importer.import_module(".relative")


def test_a_package_is_a_plain_module_by_the_name_of_its_file_too(load) -> None:
    importer = load(
        {
            "lib/__init__.py": "value = 1\n",
            "lib/mod.py": "from .__init__ import value\nimport lib.__init__ as again\n",
            "folder/mod.py": "",
        }
    )
    module = importer.import_module("lib.mod")
    assert module.value == module.again.value == 1
    assert module.again is not importer.import_module("lib")
    assert not hasattr(module.again, "__path__")
    assert module.again.__package__ == f"{importer.id()}.lib"
    for name in ("folder.__init__", "lib.mod.__init__"):
        with pytest.raises(ModuleNotFoundError):
            importer.import_module(name)


def test_every_folder_that_a_name_reaches_is_a_package(load) -> None:
    importer = load({"conf/v1.0/words.txt": "one", "my-conf/deep/words.txt": "two"})
    assert importer.import_module("my-conf.deep").__path__
    assert [item.name for item in importlib.resources.files(importer.import_module("conf")).iterdir()] == [
        "v1.0"
    ]
    with pytest.raises(ModuleNotFoundError):
        importer.import_module("conf.v1.0")


def test_module_attributes(load) -> None:
    importer = load(
        {"lib/__init__.py": "", "lib/mod.py": "here = '__torch_package__' in dir()\nfile = __file__\n"}
    )
    package, module = importer.import_module("lib"), importer.import_module("lib.mod")
    prefix = importer.id()
    assert module.here
    assert module.__name__ == module.__spec__.name == f"{prefix}.lib.mod"
    assert module.file == module.__file__ == f"{prefix}.lib/mod.py"
    assert module.__package__ == package.__name__ == f"{prefix}.lib"
    assert package.__path__ == [f"{prefix}.lib"]
    assert package.mod is module
    assert sys.modules[module.__name__] is module
    assert importlib.import_module(module.__name__) is module
    assert importer.import_module(module.__name__) is module
    assert importer.import_module(".mod", "lib") is module
    assert module.__loader__.get_source(module.__name__).startswith("here")
    assert module.__loader__.is_package(package.__name__)
    assert module.__loader__.get_code("lib.mod").co_filename == module.__file__
    assert module.__loader__.get_data(module.__file__).startswith(b"here")
    with pytest.raises(OSError, match="no such record"):
        module.__loader__.get_data(f"{prefix}.lib/none.txt")


def test_a_package_gives_itself_its_importer(load) -> None:
    importer = load(
        {
            "main.py": "import torch_package_importer as own\ntext = own.load_text('res', 'a.txt')\n",
            "res/a.txt": "hello",
        }
    )
    assert importer.import_module("main").own is importer
    assert importer.import_module("main").text == "hello"


def test_two_importers_of_one_artifact_share_nothing(artifact) -> None:
    from hermpkg_build import PackageImporter

    path = artifact({"state.py": "class Thing: pass\n"})
    with PackageImporter(path) as one, PackageImporter(path) as two:
        assert one.id() != two.id()
        assert one.import_module("state").Thing is not two.import_module("state").Thing
        with pytest.raises(ModuleNotFoundError):
            two.import_module(one.import_module("state").__name__)


def test_sources_are_decoded_as_their_coding_line_says(load) -> None:
    importer = load(
        {
            "latin.py": "# -*- coding: latin-1 -*-\ntext = 'é'\n".encode("latin-1"),
            "dos.py": b"a = 1\r\nb = '''x\r\ny'''\r\n",
            "bom.py": b"\xef\xbb\xbfc = 'ok'\n",
        }
    )
    assert importer.import_module("latin").text == "é"
    assert "é" in importer.get_source("latin")
    assert importer.import_module("dos").b == "x\ny"
    assert importer.import_module("bom").c == "ok"


def test_future_statements_do_not_leak_into_packaged_code(load) -> None:
    importer = load({"notes.py": "def f(x: int): pass\nkind = f.__annotations__['x']\n"})
    assert importer.import_module("notes").kind is int


def test_language_modules_need_no_listing_but_permission(load, artifact) -> None:
    files = {"main.py": "from __future__ import annotations\nimport builtins\nlength = builtins.len\n"}
    assert load(files).import_module("main").length is len
    asked = []

    def allowed(name: str) -> bool:
        asked.append(name)
        return name != "builtins"

    importer = load(files, externs=["math"], module_allowed=allowed)
    with pytest.raises(ImportError, match="'builtins' is not allowed"):
        importer.import_module("main")
    assert asked == ["math", "__future__", "builtins"]


def test_module_allowed_is_asked_for_every_extern_and_no_other_name(load) -> None:
    asked = []

    def allowed(name: str) -> bool:
        asked.append(name)
        return False

    load({"a.py": ""}, module_allowed=allowed)
    assert asked == []
    with pytest.raises(ImportError, match=r"json, numpy\.core"):
        load({"a.py": ""}, externs=["json", "", "numpy.core"], module_allowed=allowed)
    assert asked == ["json", "numpy.core"]


def test_tracebacks_show_packaged_lines(load) -> None:
    importer = load({"boom.py": "def go():\n    raise RuntimeError('marked line')  # here\n"})
    try:
        importer.import_module("boom").go()
    except RuntimeError:
        assert "raise RuntimeError('marked line')  # here" in traceback.format_exc()
    else:
        pytest.fail("nothing was raised")


def test_syntax_errors_name_the_packaged_file(load) -> None:
    importer = load({"broken.py": "ok = 1\ndef (\n"})
    with pytest.raises(SyntaxError) as error:
        importer.import_module("broken")
    assert error.value.filename == f"{importer.id()}.broken.py"
    assert error.value.lineno == 2
