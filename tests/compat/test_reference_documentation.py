"""torch.package's documentation, sentence by sentence, with our names and with torch's on the other side."""

import io
import re
import subprocess
import sys
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

torch = pytest.importorskip("torch")

import hermpkg_build  # noqa: E402
from hermpkg_build import PackageExporter, PackageImporter, PackagingError  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:TypedStorage is deprecated"),
]

RESNET = {
    "vision.__init__": "",
    "vision.models.__init__": "",
    "vision.models.resnet": """
        import torch
        from torch import nn
        from .utils import twice

        class ResNet(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 2)
                self.register_buffer("mean", torch.ones(3))

            def forward(self, x):
                return twice(self.fc(x - self.mean))
    """,
    "vision.models.utils": "def twice(x):\n    return x + x\n",
}


@pytest.fixture
def resnet(modules):
    for name, source in RESNET.items():
        modules.write(name, source)
    from vision.models.resnet import ResNet

    torch.manual_seed(0)
    return ResNet().eval()


def save_model(model):
    def save(exporter):
        exporter.intern("vision.**")
        exporter.save_pickle("models", "model_1.pkl", model)

    return save


# ---- the first package


def test_a_package_has_the_artifacts_and_the_code(way, resnet, modules):
    importer = way.load(save_model(resnet))
    loaded = importer.load_pickle("models", "model_1.pkl")
    x = torch.ones(2, 3)
    assert torch.equal(loaded(x), resnet(x))
    assert type(loaded) is not type(resnet)
    assert loaded.training is False


def test_a_package_loads_where_its_code_is_not_installed(way, resnet, tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(way.export(save_model(resnet)))
    home = "torch.package" if way.name == "ours to stock" else "hermpkg_build"
    script = (
        f"import sys, torch\nfrom {home} import PackageImporter\n"
        f"model = PackageImporter({str(path)!r}).load_pickle('models', 'model_1.pkl')\n"
        "print(model(torch.ones(2, 3)).tolist())\n"
        "assert 'vision' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(resnet(torch.ones(2, 3)).tolist())


# ---- see what is inside a package


def test_a_package_is_a_zip_archive(resnet, tmp_path):
    path = tmp_path / "my_package.pt"
    with PackageExporter(path) as exporter:
        save_model(resnet)(exporter)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unzipped")
    (root,) = (tmp_path / "unzipped").iterdir()
    assert "class ResNet" in (root / "vision/models/resnet.py").read_text()
    assert (root / ".data/extern_modules").read_text().split()
    assert (root / ".data/version").read_text() == "6\n"
    assert (root / "models/model_1.pkl").exists()
    assert list(root.glob(".data/*.storage"))


def test_an_edited_archive_opens(resnet, tmp_path):
    path = tmp_path / "my_package.pt"
    with PackageExporter(path) as exporter:
        save_model(resnet)(exporter)
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in records.items():
            archive.writestr(name, data.replace(b"return x + x", b"return x * 0"))
    with pytest.warns(UserWarning, match="vision/models/utils.py"):
        loaded = PackageImporter(path).load_pickle("models", "model_1.pkl")
    assert not loaded(torch.ones(1, 3)).any()


def test_file_structure_prints_and_answers(way, resnet):
    importer = way.load(save_model(resnet))
    structure = importer.file_structure()
    assert structure.has_file("vision/models/resnet.py")
    assert not structure.has_file("package_a/subpackage.py")
    assert "└── model_1.pkl" in str(structure)
    filtered = importer.file_structure(include=["**/utils.py", "**/*.pkl"], exclude="**/*.storage")
    assert str(filtered).splitlines()[1:] == [
        "    ├── models",
        "    │   └── model_1.pkl",
        "    └── vision",
        "        └── models",
        "            └── utils.py",
    ]


# ---- why a module is a dependency


def test_why_a_module_is_included(modules):
    modules.write("src", "import middle\n")
    modules.write("middle", "import foo\n")
    modules.write("foo")
    exporter = PackageExporter(io.BytesIO())
    exporter.intern("**")
    exporter.save_module("src")
    assert exporter.get_rdeps("foo") == ["middle"]
    paths = exporter.all_paths("src", "foo")
    assert re.findall(r'"(\w+)" -> "(\w+)"', paths) == [("middle", "foo"), ("src", "middle")]
    assert exporter.dependency_graph_string().startswith("digraph")
    assert '"src" -> "middle"' in exporter.dependency_graph_string()


# ---- resources


def test_arbitrary_resources(way):
    tensor = torch.randn(4)

    def save(exporter):
        exporter.save_pickle("my_resources", "tensor.pkl", tensor)
        exporter.save_text("config_stuff", "words.txt", "a sample string: é")
        exporter.save_binary("raw_data", "binary", b"\0\xff")

    importer = way.load(save)
    assert torch.equal(importer.load_pickle("my_resources", "tensor.pkl"), tensor)
    assert importer.load_text("config_stuff", "words.txt") == "a sample string: é"
    assert importer.load_binary("raw_data", "binary") == b"\0\xff"


# ---- customise how a class is packaged

FOO = """
    import time

    class Foo:
        def __init__(self, my_string):
            super().__init__()
            self.my_string = my_string
            self.time_imported = 0
            self.time_exported = 0

        def __reduce_package__(self, exporter):
            generated_module_name = f"foo-generated._{exporter.get_unique_id()}"
            exporter.save_text(
                generated_module_name, "foo.txt", self.my_string + ", with exporter modification!"
            )
            return (unpackage_foo, (generated_module_name, time.monotonic()))

    def unpackage_foo(importer, generated_module_name, time_exported):
        foo = Foo(importer.load_text(generated_module_name, "foo.txt"))
        foo.time_imported = time.monotonic()
        foo.time_exported = time_exported
        return foo
"""


def test_a_class_may_customise_how_it_is_packaged(way, modules):
    modules.write("foo", FOO)
    import foo

    first, second = foo.Foo("foo_1 initial string"), foo.Foo("foo_2 initial string")

    def save(exporter):
        exporter.intern("foo")
        exporter.save_pickle("foo_collection", "foo1.pkl", first)
        exporter.save_pickle("foo_collection", "foo2.pkl", second)

    importer = way.load(save)
    imported = importer.load_pickle("foo_collection", "foo1.pkl")
    assert imported.my_string == "foo_1 initial string, with exporter modification!"
    assert 0 < imported.time_exported <= imported.time_imported
    structure = importer.file_structure()
    for file in ("foo-generated/_0/foo.txt", "foo-generated/_1/foo.txt", "foo_collection/foo2.pkl", "foo.py"):
        assert structure.has_file(file)


# ---- code that asks where it is


def test_code_can_tell_that_it_is_packaged(way, modules):
    modules.write("foo.__init__")
    modules.write(
        "foo.bar",
        """
        if "__torch_package__" in dir():
            def is_in_package():
                return True
        else:
            def is_in_package():
                return False
        """,
    )
    from foo.bar import is_in_package

    assert is_in_package() is False
    assert way.load(lambda e: e.save_module("foo.bar")).import_module("foo.bar").is_in_package() is True


def test_code_can_be_patched_into_a_package(way, modules):
    modules.write("my_module.__init__")
    modules.write("my_module.foo", "def my_function():\n    return 'installed'\n")

    def save(exporter):
        exporter.save_module("my_module.foo")
        exporter.save_source_string("my_module.foo", "def my_function():\n    return 'hello world'\n")
        exporter.save_source_string("my_module.bar", "def foo(): return 'hello'\n", is_package=True)

    importer = way.load(save)
    assert importer.import_module("my_module.foo").my_function() == "hello world"
    assert importer.import_module("my_module.bar").foo() == "hello"
    assert importer.file_structure().has_file("my_module/bar/__init__.py")


def test_packaged_code_reaches_what_is_in_the_package(way):
    def save(exporter):
        exporter.save_text("my_resource", "a.txt", "hello world!")
        exporter.save_pickle("my_pickle", "obj.pkl", torch.ones(2, 2))
        exporter.save_source_string(
            "foo",
            "import importlib.resources\nimport my_resource\n"
            "def get_my_resource():\n    return importlib.resources.read_text(my_resource, 'a.txt')\n",
            dependencies=False,
        )
        exporter.save_source_string(
            "bar",
            "import torch_package_importer\n"
            "def get_my_resource():\n    return torch_package_importer.load_text('my_resource', 'a.txt')\n"
            "def get_my_pickle():\n    return torch_package_importer.load_pickle('my_pickle', 'obj.pkl')\n",
        )
        exporter.extern("importlib.**")

    importer = way.load(save)
    bar = importer.import_module("bar")
    assert bar.get_my_resource() == "hello world!"
    assert torch.equal(bar.get_my_pickle(), torch.ones(2, 2))


def test_a_module_may_import_a_folder_of_resources():
    def save(exporter):
        exporter.save_text("my_resource", "a.txt", "hello world!")
        exporter.save_source_string(
            "foo",
            "import importlib.resources\nimport my_resource\n"
            "def get():\n    return importlib.resources.read_text(my_resource, 'a.txt')\n",
        )

    stream = io.BytesIO()
    with PackageExporter(stream) as exporter:
        save(exporter)
    assert PackageImporter(stream).import_module("foo").get() == "hello world!"


def test_packaged_and_other_code_can_be_told_apart(way, resnet):
    def save(exporter):
        save_model(resnet)(exporter)
        exporter.save_text("text", "my_test.txt", "words")

    importer = way.load(save)
    for module in (
        hermpkg_build,
        hermpkg_build.analyze if hasattr(hermpkg_build, "analyze") else hermpkg_build,
    ):
        assert module.is_from_package(importer.import_module("vision.models.resnet"))
    obj = importer.load_pickle("models", "model_1.pkl")
    assert hermpkg_build.is_from_package(obj)
    assert not hermpkg_build.is_from_package(obj.fc)  # torch is extern
    assert not hermpkg_build.is_from_package(importer.load_text("text", "my_test.txt"))
    assert not hermpkg_build.is_from_package(resnet)


# ---- export again what was imported


def test_an_imported_object_can_be_exported_again(way, resnet):
    first = io.BytesIO(way.export(save_model(resnet)))
    exporting_importer = way.exporting.PackageImporter(first)
    obj = exporting_importer.load_pickle("models", "model_1.pkl")

    def save(exporter):
        exporter.intern("vision.**")
        exporter.save_pickle("model", "model.pkl", obj)

    loaded = way.load(save, importer=(exporting_importer, way.sys_importer)).load_pickle("model", "model.pkl")
    assert torch.equal(loaded(torch.ones(1, 3)), resnet(torch.ones(1, 3)))


def test_what_torchs_importer_loaded_can_be_exported_again(resnet):
    import torch.package

    stream = io.BytesIO()
    with torch.package.PackageExporter(stream) as exporter:
        save_model(resnet)(exporter)
    stream.seek(0)
    theirs = torch.package.PackageImporter(stream)
    obj = theirs.load_pickle("models", "model_1.pkl")
    again = io.BytesIO()
    with PackageExporter(again, importer=(theirs, torch.package.sys_importer)) as exporter:
        save_model(obj)(exporter)
    loaded = PackageImporter(again).load_pickle("models", "model_1.pkl")
    assert torch.equal(loaded(torch.ones(1, 3)), resnet(torch.ones(1, 3)))


# ---- TorchScript


@pytest.mark.parametrize("make", [torch.jit.script, lambda m: torch.jit.trace(m, torch.ones(2, 3))])
def test_torchscript_is_saved_like_any_other_object(way, resnet, make, monkeypatch):
    # torch refuses what its documentation describes, unless one sets this.
    monkeypatch.setattr("torch.package.package_exporter._gate_torchscript_serialization", False)
    scripted = make(torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU()))
    resnet.scripted = scripted
    mixed = {"scripted": scripted, "weight": next(scripted.parameters()), "list": [scripted]}

    def save(exporter):
        exporter.intern("vision.**")
        exporter.save_pickle("res", "script_model.pkl", scripted)
        exporter.save_pickle("res", "mixed_model.pkl", resnet)
        exporter.save_pickle("res", "mixed.pkl", mixed)

    importer = way.load(save)
    x = torch.ones(2, 3)
    assert torch.equal(importer.load_pickle("res", "script_model.pkl")(x), scripted(x))
    assert torch.equal(importer.load_pickle("res", "mixed_model.pkl").scripted(x), scripted(x))
    loaded = importer.load_pickle("res", "mixed.pkl")
    assert loaded["list"][0] is loaded["scripted"]
    loaded["weight"].data.zero_()
    assert not next(iter(loaded["scripted"].parameters())).any()


# ---- torch.fx


def test_graph_modules(way, resnet):
    traced = torch.fx.symbolic_trace(resnet)
    loaded = way.load(save_model(traced)).load_pickle("models", "model_1.pkl")
    assert torch.equal(loaded(torch.ones(1, 3)), resnet(torch.ones(1, 3)))
    assert isinstance(loaded, torch.fx.GraphModule)


# ---- the format


def test_framework_files_and_user_files(way, resnet):
    data = way.export(save_model(resnet))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    assert records[".data/version"].strip() == b"6"
    assert "torch" in records[".data/extern_modules"].decode().split()
    assert sorted(name for name in records if name.endswith(".storage")) == [
        f".data/{number}.storage" for number in range(3)
    ]
    assert {"models/model_1.pkl", "vision/models/resnet.py", "vision/models/utils.py"} <= set(records)


# ---- how dependencies are found


def test_the_globals_of_a_pickle_are_dependencies(modules):
    modules.write("shapes", "class Square:\n    pass\n")
    import shapes

    for protocol in (3, 4, 5):
        exporter = PackageExporter(io.BytesIO())
        exporter.intern("shapes")
        exporter.save_pickle("m", "m.pkl", [shapes.Square()], pickle_protocol=protocol)
        assert exporter.interned_modules() == ["shapes"]
        assert exporter.get_rdeps("shapes") == ["<m.m.pkl>"]


@pytest.mark.parametrize(
    "statement",
    [
        "from x import y", "import x", "from x import v as u", "import x.sub", "from x import sub",
        "def f():\n    import x", "class C:\n    from x import y", "__import__('x')", "from . import x",
    ],
)  # fmt: skip
def test_imports_of_the_standard_forms_are_dependencies(modules, statement):
    modules.write("w.__init__")
    prefix = "w." if statement == "from . import x" else ""
    modules.write(f"{prefix}x.__init__", "y = v = 1\n")
    modules.write(f"{prefix}x.sub")
    modules.write("w.own", statement + "\n")
    exporter = PackageExporter(io.BytesIO())
    exporter.intern("**")
    exporter.save_module("w.own")
    wanted = "x.sub" if statement == "from x import sub" else f"{prefix}x"
    assert wanted in exporter.interned_modules()


def test_imports_that_cannot_be_read_do_no_harm():
    with PackageExporter(io.BytesIO()) as exporter:
        exporter.save_source_string("m", '__import__(these, unresolvable, "things", wont, crash, me)')


# ---- what becomes of modules


def test_interned_modules_come_from_the_package_alone(way, modules):
    modules.write("my_interned_module", "where = 'package'\n")
    importer = way.load(lambda e: (e.intern("my_interned_module"), e.save_module("my_interned_module")))
    modules.write("my_interned_module", "where = 'environment'\n")
    modules.write("not_packaged")
    modules.forget()
    import my_interned_module

    assert my_interned_module.where == "environment"
    assert importer.import_module("my_interned_module").where == "package"
    with pytest.raises(ModuleNotFoundError):
        importer.import_module("not_packaged")


def test_only_source_modules_can_be_interned(tmp_path, monkeypatch):
    (tmp_path / f"fast_parts{EXTENSION_SUFFIXES[0]}").touch()
    monkeypatch.syspath_prepend(tmp_path)
    exporter = PackageExporter(io.BytesIO())
    exporter.intern("fast_parts")
    exporter.save_source_string("m", "import fast_parts")
    with pytest.raises(PackagingError, match="compiled"):
        exporter.close()


def test_extern_modules_are_those_of_the_loading_environment(way):
    def save(exporter):
        exporter.extern("numpy")
        exporter.save_source_string("m", "import numpy\narray = numpy.ones(2)\n")
        if way.exporting is hermpkg_build:
            assert exporter.extern_modules == ["numpy"]

    import numpy

    importer = way.load(save)
    assert importer.import_module("m").numpy is numpy


def test_an_extern_module_that_is_not_there_is_an_error(way):
    def save(exporter):
        exporter.extern("not_there_at_all")
        exporter.save_source_string("m", "import not_there_at_all\n")
        exporter.add_dependency("not_there_at_all")

    with pytest.raises(ImportError):
        way.load(save).import_module("m")


def test_a_mocked_module_gives_objects_that_cannot_be_used(way, modules):
    modules.write("my_mocked_module", "def foo():\n    pass\n")

    def save(exporter):
        exporter.mock("my_mocked_module")
        exporter.save_source_string("m", "from my_mocked_module import foo\ndef use():\n    return foo()\n")

    m = way.load(save).import_module("m")
    with pytest.raises(NotImplementedError, match="mocked out"):
        m.use()


def test_denied_modules_fail_the_export(way, modules):
    modules.write("forbidden")
    with pytest.raises(way.exporting.PackagingError):
        way.export(lambda e: (e.deny("forbidden"), e.save_source_string("m", "import forbidden")))


def test_every_module_needs_an_action(modules):
    modules.write("undecided")
    with pytest.raises(PackagingError, match="undecided"), PackageExporter(io.BytesIO()) as exporter:
        exporter.save_source_string("m", "import undecided")


# ---- patterns


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("own.**", ["own", "own.nn", "own.nn.functional"], ["owner", "other.own"]),
        ("own.*", ["own.nn", "own.functional"], ["own", "own.nn.functional"]),
        ("own*.**", ["own", "ownvision", "own.nn", "ownvision.models"], ["my.own"]),
        ("foo*baz*.x", ["foobaz.x", "foo1baz2.x"], ["foo.baz.x"]),
    ],
)
def test_patterns(pattern, matching, others):
    exporter = PackageExporter(io.BytesIO())
    exporter.mock(pattern)
    exporter.extern("**")
    for name in (*matching, *others):
        exporter.add_dependency(name)
    # What stands above a mocked module is a folder, or follows its own rule.
    assert exporter.mocked_modules() == sorted(matching)


def test_several_patterns_excludes_and_the_first_action_counts(modules):
    for name in ("tv.__init__", "tv.models.__init__", "tv.models.resnet", "tv.utils", "elsewhere"):
        modules.write(name)
    exporter = PackageExporter(io.BytesIO())
    exporter.intern(["tv.models.**", "tv.utils.**"])
    exporter.mock("**", exclude=["tv.**"])
    exporter.deny("tv.models.**")
    exporter.save_source_string("m", "import tv.models.resnet, tv.utils, elsewhere")
    assert exporter.interned_modules() == ["m", "tv.models", "tv.models.resnet", "tv.utils"]
    assert exporter.mocked_modules() == ["elsewhere"]


# ---- sharp edges


def test_every_importer_is_a_world_of_its_own(way, modules):
    modules.write("foo", "class MyClass:\n    pass\nregistry = []\n")
    from foo import MyClass

    data = way.export(lambda e: e.save_module("foo"))
    one, two = (way.PackageImporter(io.BytesIO(data)) for _ in range(2))
    imported = one.import_module("foo").MyClass
    assert isinstance(MyClass(), MyClass)
    assert not isinstance(MyClass(), imported)
    assert imported is not two.import_module("foo").MyClass
    one.import_module("foo").registry.append(1)
    assert two.import_module("foo").registry == []
    assert re.fullmatch(r"<torch_package_\d+>\.foo", imported.__module__)
    assert imported.__module__.startswith(one.id())


def test_names_and_files_of_modules_are_mangled(way, resnet):
    importer = way.load(save_model(resnet))
    module = importer.import_module("vision.models.resnet")
    assert module.__name__ == f"{importer.id()}.vision.models.resnet"
    assert module.__file__ == f"{importer.id()}.vision/models/resnet.py"


# ---- the exporter's own reference


def test_the_python_version_is_kept(way):
    import platform

    assert way.load(lambda e: e.save_text("t", "t", "")).python_version() == platform.python_version()


def test_sources_come_from_files_folders_strings_and_modules(way, tmp_path, modules):
    folder = tmp_path / "code"
    (folder / "sub").mkdir(parents=True)
    (folder / "__init__.py").write_text("from .sub.leaf import x\n")
    (folder / "sub" / "leaf.py").write_text("x = 4\n")
    modules.write("plain", "x = 1\n")

    def save(exporter):
        exporter.save_module("plain")
        exporter.save_source_file("from_file", str(modules.root / "plain.py"))
        exporter.save_source_file("from_folder", str(folder))
        exporter.save_source_string("from_string", "x = 2\n")
        if way.exporting is not hermpkg_build:
            exporter.intern("**")

    importer = way.load(save)
    found = [importer.import_module(n).x for n in ("plain", "from_file", "from_folder", "from_string")]
    assert found == [1, 1, 4, 2]


def test_hooks_are_told_of_modules(way, modules):
    for name in ("one", "two", "three"):
        modules.write(name)
    told = {"intern": [], "extern": [], "mock": []}

    def save(exporter):
        for kind in told:
            register = getattr(exporter, f"register_{kind}_hook")
            register(lambda _exporter, name, kind=kind: told[kind].append(name))
            register(lambda *_: told.clear()).remove()
        exporter.intern("one")
        exporter.extern("two")
        exporter.mock("three")
        exporter.save_source_string("m", "import one, two, three")

    way.export(save)
    assert {kind: sorted(names) for kind, names in told.items()} == {
        "intern": ["m", "one"], "extern": ["two"], "mock": ["three"],
    }  # fmt: skip


def test_empty_matches(way):
    error = way.exporting.EmptyMatchError
    with pytest.raises(error, match="did not match any modules"):
        way.export(lambda e: (e.extern("absent.*", allow_empty=False), e.save_source_string("m", "")))


NAMES = [
    "Directory",
    "EmptyMatchError",
    "GlobGroup",
    "Importer",
    "ObjMismatchError",
    "ObjNotFoundError",
    "OrderedImporter",
    "PackageExporter",
    "PackageImporter",
    "PackagingError",
    "is_from_package",
    "sys_importer",
]


def test_the_public_names_are_all_there():
    import torch.package

    assert not [name for name in NAMES if not hasattr(torch.package, name)]
    names = [*NAMES, "GlobPattern", "PackagingErrorReason"]
    assert not [name for name in names if not hasattr(hermpkg_build, name)]
    from hermpkg_build import analyze

    assert callable(analyze.trace_dependencies)
    assert callable(analyze.find_first_use_of_broken_modules)
    assert analyze.is_from_package is hermpkg_build.is_from_package


def _methods(cls) -> dict:
    import inspect

    return {
        name: inspect.signature(value)
        for name, value in inspect.getmembers(cls, callable)
        if not name.startswith("_")
    }


@pytest.mark.parametrize("name", ["PackageExporter", "PackageImporter"])
def test_every_call_that_torch_accepts_is_accepted(name):
    import torch.package

    ours = _methods(getattr(hermpkg_build, name))
    for method, theirs in _methods(getattr(torch.package, name)).items():
        if method in ("get_rdeps", "Unpickler") or not theirs.parameters:
            assert method in ours
            continue
        wanted = list(theirs.parameters.values())
        have = list(ours[method].parameters.values())
        assert [p.name for p in have[: len(wanted)]] == [p.name for p in wanted], method
        assert [p.default for p in have[: len(wanted)]] == [p.default for p in wanted], method
