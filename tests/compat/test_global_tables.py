"""Tables of torch in which two packages and the host register the same names: all three live."""

from __future__ import annotations

import copyreg
import gc
import io
import itertools
import pickle
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import types
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hermpkg_build import PackageExporter, PackageImporter  # noqa: E402

_numbers = itertools.count()


@pytest.fixture
def namespace() -> str:
    """A name that no other test has registered: torch forgets none."""
    return f"tables{next(_numbers)}"


@pytest.fixture
def copies(namespace, tmp_path, monkeypatch) -> Iterator[Callable[..., list[Any]]]:
    """Runs a source in the host, then in two artifacts; FACTOR is 1, 2, 3 there, and NS the namespace."""
    opened: list[PackageImporter] = []

    def load(source: str) -> list[Any]:
        text = textwrap.dedent(source)
        texts = [f"FACTOR = {factor}\nNS = {namespace!r}\n{text}" for factor in (1, 2, 3)]
        host: Any = types.ModuleType("registering")
        monkeypatch.setitem(sys.modules, "registering", host)
        exec(compile(texts[0], "<host>", "exec", dont_inherit=True), vars(host))
        for number, packaged in enumerate(texts[1:]):
            with PackageExporter(tmp_path / f"{number}.pt") as exporter:
                exporter.save_source_string("registering", packaged)
                exporter.extern("**")
            opened.append(PackageImporter(tmp_path / f"{number}.pt"))
        return [host, *(importer.import_module("registering") for importer in opened)]

    yield load
    for importer in opened:
        importer.close()


DEFINITIONS = {
    "Library, DEF": """
        import torch
        lib = torch.library.Library(NS, "DEF")
        lib.define("op(Tensor x) -> Tensor")
        lib.impl("op", lambda x: x * FACTOR, "CPU")
        lib.impl("op", torch.empty_like, "Meta")
    """,
    "Library, FRAGMENT": """
        from torch import library, ops
        import torch
        lib = library.Library(NS, "FRAGMENT")
        lib.define("op(Tensor x) -> Tensor")
        library.impl(lib, "op", "CPU")(lambda x: x * FACTOR)
        library.register_fake(f"{NS}::op", torch.empty_like, lib=lib)
    """,
    "define": """
        import torch
        import torch.library
        torch.library.define(f"{NS}::op", "(Tensor x) -> Tensor")
        torch.library.impl(f"{NS}::op", "default", lambda x: x * FACTOR)
        @torch.library.register_fake(f"{NS}::op")
        def _(x):
            return torch.empty_like(x)
    """,
    "custom_op": """
        import torch
        from torch.library import custom_op
        @custom_op(f"{NS}::op", mutates_args=())
        def op(x: torch.Tensor) -> torch.Tensor:
            return x * FACTOR
        @op.register_fake
        def _(x):
            return torch.empty_like(x)
        torch.library.register_autograd(f"{NS}::op", lambda context, gradient: gradient * FACTOR)
    """,
}
USE = """
class Net(torch.nn.Module):
    def forward(self, x):
        return torch.ops.{ns}.op(x) + torch.ops.aten.relu(x)
"""


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS.keys())
def test_each_copy_has_its_own_operator(copies, namespace, definition) -> None:
    modules = copies(textwrap.dedent(definition) + USE.replace("{ns}", namespace))
    x = torch.tensor([1.0, 2.0])
    for factor, module in enumerate(modules, 1):
        net, expected = module.Net(), x * factor + x
        assert torch.equal(net(x), expected)
        assert torch.equal(torch.export.export(net, (x,)).module()(x), expected)
        assert torch.equal(torch.compile(net, backend="aot_eager", fullgraph=True)(x), expected)
        if module is not modules[0]:  # TorchScript asks for a source, which the host's copy has not.
            assert torch.equal(torch.jit.script(net)(x), expected)
    assert torch.equal(getattr(torch.ops, namespace).op(x), x)


OVERLOADS = {
    "define": """
        def define(name, schema):
            torch.library.define(f"{NS}::{name}", schema)
        impl = lambda name, kernel: torch.library.impl(f"{NS}::{name}", "CPU")(kernel)
    """,
    "Library, DEF": """
        lib = torch.library.Library(NS, "DEF")
        define = lambda name, schema: lib.define(name + schema)
        impl = lambda name, kernel: lib.impl(name, kernel, "CPU")
    """,
    "Library, FRAGMENT": """
        lib = torch.library.Library(NS, "FRAGMENT")
        define = lambda name, schema: lib.define(name + schema)
        impl = lambda name, kernel: torch.library.impl(f"{NS}::{name}", "CPU", lib=lib)(kernel)
    """,
}
OVERLOADED = """
def out(x, *, out):
    return out.copy_(x * FACTOR)
OVERLOADS = {
    "op": ("(Tensor x) -> Tensor", lambda x: x * FACTOR),
    "op.out": ("(Tensor x, *, Tensor(a!) out) -> Tensor(a!)", out),
    "op.add": ("(Tensor x, Tensor y) -> Tensor", lambda x, y: (x + y) * FACTOR),
}
def register(*names):
    for name in names:
        define(name, OVERLOADS[name][0])
    for name in names:
        impl(name, OVERLOADS[name][1])
def use():
    one, op = torch.ones(()), getattr(torch.ops, NS).op
    filled = torch.zeros(())
    op(one, out=filled)
    op.out(one, out=filled)
    return {int(x) for x in (op(one), op.default(one), filled, op(one, one) / 2, op.add(one, one) / 2)}
"""


@pytest.mark.parametrize("order", [["op", "op.out", "op.add"], ["op.add", "op.out", "op"]])
@pytest.mark.parametrize("how", OVERLOADS)
@pytest.mark.parametrize("host_too", [True, False])
def test_the_overloads_of_each_copy_are_its_own(copies, how, order, host_too) -> None:
    source = "import torch\n" + textwrap.dedent(OVERLOADS[how]).strip() + OVERLOADED
    guard = "True" if host_too else "FACTOR > 1"
    modules = copies(f"{source}\nif {guard}:\n    register(*{order})")
    assert [module.use() for module in modules[not host_too :]] == [{1}, {2}, {3}][not host_too :]


@pytest.mark.parametrize("how", ["define", "Library, FRAGMENT"])
def test_overloads_that_packages_add_to_an_operator_of_the_host(copies, how) -> None:
    source = "import torch\n" + textwrap.dedent(OVERLOADS[how]).strip() + OVERLOADED
    _, *packages = copies(f"{source}\nregister(*(['op'] if FACTOR == 1 else ['op.add']))")
    one = torch.ones(())
    for factor, module in enumerate(packages, 2):
        op = getattr(module.torch.ops, module.NS).op
        assert [int(op(one)), int(op.default(one))] == [1, 1]
        assert [int(op(one, one)), int(op.add(one, one))] == [2 * factor, 2 * factor]


def test_torch_ops_may_be_an_attribute_of_torch_alone(copies, monkeypatch) -> None:
    """So it is before torch 2.5."""
    monkeypatch.delitem(sys.modules, "torch.ops", raising=False)
    monkeypatch.delitem(sys.modules, "torch.classes", raising=False)
    modules = copies(
        textwrap.dedent(DEFINITIONS["define"])
        + "\nfrom torch import ops\ndef use():\n"
        + "    return {int(op(torch.ones(()))) for op in (getattr(torch.ops, NS).op, getattr(ops, NS).op)}\n"
    )
    assert [module.use() for module in modules] == [{1}, {2}, {3}]


def test_torch_may_go_by_another_name(copies) -> None:
    modules = copies(
        """
        import torch as th
        @th.library.custom_op(f"{NS}::op", mutates_args=())
        def op(x: th.Tensor) -> th.Tensor:
            return x * FACTOR
        def use():
            return getattr(th.ops, NS).op(th.ones(1)).item()
        """
    )
    assert [module.use() for module in modules] == [1, 2, 3]


def test_who_asked_for_a_name_first_has_it_also_when_others_register_before(copies, namespace) -> None:
    """As happens when packages load in several threads: an operator is made some time after it is named."""
    _, first, second = copies(
        """
        import torch
        if FACTOR > 1:
            make = torch.library.custom_op(f"{NS}::op", mutates_args=())
            lib = torch.library.Library(NS, "FRAGMENT")
        def work(x: torch.Tensor) -> torch.Tensor:
            return x * FACTOR
        def finish():
            make(work)
            lib.define("other() -> int")
            lib.impl("other", lambda: FACTOR, "CompositeExplicitAutograd")
        def use():
            return getattr(torch.ops, NS).op(torch.ones(1)).item(), getattr(torch.ops, NS).other()
        """
    )
    second.finish()
    first.finish()
    assert [first.use(), second.use()] == [(2, 2), (3, 3)]
    assert getattr(torch.ops, namespace).op(torch.ones(1)) == 2


def test_a_library_that_is_destroyed_takes_all_its_operators_with_it(copies, namespace) -> None:
    modules = copies(
        """
        import torch
        lib = torch.library.Library(NS, "FRAGMENT")
        for name in ("op", f"own{FACTOR}"):
            lib.define(f"{name}() -> int")
            lib.impl(name, lambda: FACTOR, "CompositeExplicitAutograd")
        def has(name):
            return hasattr(getattr(torch.ops, NS), name)
        """
    )
    modules[1].lib._destroy()
    assert [modules[1].has(name) for name in ("op", "own1", "own2")] == [False, True, False]
    assert getattr(torch.ops, namespace).op() == 1
    assert getattr(modules[2].torch.ops, namespace).op() == 3


def test_gradients_are_those_of_each_copy(copies) -> None:
    for factor, module in enumerate(copies(DEFINITIONS["custom_op"]), 1):
        x = torch.ones(2, requires_grad=True)
        module.op(x).sum().backward()
        assert torch.equal(x.grad, torch.full((2,), float(factor)))


def test_the_first_copy_has_the_plain_name(namespace, tmp_path) -> None:
    """What serialised graphs and host code look up is there."""
    with PackageExporter(tmp_path / "one.pt") as exporter:
        source = f"FACTOR = 5\nNS = {namespace!r}\n" + textwrap.dedent(DEFINITIONS["Library, DEF"])
        exporter.save_source_string("registering", source)
        exporter.extern("**")
    with PackageImporter(tmp_path / "one.pt") as importer:
        module = importer.import_module("registering")
        assert getattr(torch.ops, namespace).op(torch.ones(1)) == 5
        with pytest.raises(RuntimeError, match="Only a single TORCH_LIBRARY"):
            module.torch.library.Library(namespace, "DEF")


def test_code_that_looks_before_it_registers_uses_what_is_there(copies) -> None:
    modules = copies(
        """
        import torch
        HAD = hasattr(getattr(torch.ops, NS), "op")
        if not HAD:
            lib = torch.library.Library(NS, "DEF")
            lib.define("op(Tensor x) -> Tensor")
            lib.impl("op", lambda x: x * FACTOR, "CPU")
        def use(x):
            return getattr(torch.ops, NS).op(x)
        """
    )
    assert [module.HAD for module in modules] == [False, True, True]
    assert [module.use(torch.ones(1)).item() for module in modules] == [1, 1, 1]


def test_kernels_for_operators_of_others_go_to_those(copies, namespace) -> None:
    """A package may extend an operator that it does not define: an operator is moved, kernels are not."""
    copies(
        """
        import torch
        if FACTOR == 1:
            lib = torch.library.Library(NS, "DEF")
            lib.define("op(Tensor x) -> Tensor")
        elif FACTOR == 2:
            lib = torch.library.Library(NS, "IMPL", "CPU")
            lib.impl("op", lambda x: x * 10)
        """
    )
    assert getattr(torch.ops, namespace).op(torch.ones(1)) == 10


def test_data_pipes_of_each_copy_have_its_methods(copies, namespace) -> None:
    modules = copies(
        """
        from torch.utils.data import IterDataPipe, functional_datapipe
        @functional_datapipe(NS)
        class Scaled(IterDataPipe):
            def __init__(self, source):
                self.source = source
            def __iter__(self):
                return (item * FACTOR for item in self.source)
        def use(pipe):
            return list(getattr(pipe, NS)())
        def own():
            return Scaled([1])
        """
    )
    source = torch.utils.data.datapipes.iter.IterableWrapper([1, 2])
    assert [module.use(source) for module in modules] == [[1, 2], [2, 4], [3, 6]]
    # Host code gets what the pipe's own package registered, and the host's for a pipe that has no package.
    assert [list(getattr(module.own(), namespace)()) for module in modules] == [[1], [4], [9]]
    assert list(getattr(source, namespace)()) == [1, 2]


def test_data_pipes_of_a_dropped_package_are_freed(copies, namespace, tmp_path) -> None:
    source = """
    import torch.utils.data
    @torch.utils.data.functional_datapipe(NS)
    class Pipe(torch.utils.data.IterDataPipe):
        pass
    """
    copies(source)  # The host has the name.
    importer = PackageImporter(tmp_path / "0.pt")
    pipe = weakref.ref(importer.import_module("registering").Pipe)
    assert pipe() is not None
    importer.close()
    del importer
    gc.collect()
    assert pipe() is None
    assert getattr(torch.utils.data.datapipes.iter.IterableWrapper([1]), namespace) is not None


def test_pytree_nodes_have_classes_for_keys_and_names_of_their_own(copies, namespace) -> None:
    from torch.utils import _pytree

    modules = copies(
        """
        import torch.utils._pytree as pytree
        class Pair:
            def __init__(self, a, b):
                self.a, self.b = a, b
        pytree.register_pytree_node(
            Pair, lambda pair: ([pair.a, pair.b], None), lambda items, _: Pair(*items),
            serialized_type_name=NS + ".Pair",
        )
        """
    )
    for module in modules:
        leaves, spec = _pytree.tree_flatten(module.Pair(1, (2, 3)))
        assert leaves == [1, 2, 3]
        text = _pytree.treespec_dumps(spec)
        again = _pytree.tree_unflatten(leaves, _pytree.treespec_loads(text))
        assert type(again) is module.Pair
    assert f'"{namespace}.Pair"' in _pytree.treespec_dumps(_pytree.tree_structure(modules[0].Pair(1, 2)))


def test_copyreg_has_classes_for_keys(copies) -> None:
    modules = copies(
        """
        import copyreg
        class Thing:
            pass
        def reduce(thing):
            return make, (FACTOR,)
        def make(factor):
            made = Thing()
            made.factor = factor
            return made
        copyreg.pickle(Thing, reduce)
        """
    )
    for factor, module in enumerate(modules, 1):
        assert copyreg.dispatch_table[module.Thing] is module.reduce
        again = pickle.loads(pickle.dumps(module.Thing()))
        assert (type(again), again.factor) == (module.Thing, factor)


def test_what_a_package_saves_is_read_by_the_copy_it_is_read_with(copies) -> None:
    modules = copies("import torch\nclass Net(torch.nn.Linear):\n    pass\n")
    for module in modules:
        stream = io.BytesIO()
        torch.save(module.Net(1, 1), stream)
        stream.seek(0)
        assert type(torch.load(stream, weights_only=False)) is module.Net


def test_host_code_has_the_real_modules(copies) -> None:
    before = (torch.ops, torch.library.Library, torch.utils.data.functional_datapipe)
    modules = copies(
        "import torch\nlibrary, ops = torch.library, torch.ops\nfrom torch.nn import functional\n"
    )
    assert before == (torch.ops, torch.library.Library, torch.utils.data.functional_datapipe)
    assert modules[0].ops is torch.ops is not modules[1].ops
    assert modules[1].functional is torch.nn.functional


NATIVE = """
#include <torch/custom_class.h>
#include <torch/library.h>
__attribute__((visibility("hidden"))) int64_t factor();
struct Box : torch::CustomClassHolder { int64_t get() { return factor(); } };
int64_t op(const at::Tensor& x) { return factor(); }
TORCH_LIBRARY(hermpkg_native, m) {
  m.def("op(Tensor x) -> int", op);
  m.class_<Box>("Box").def(torch::init<>()).def("get", &Box::get);
}
"""
FACTOR = """
#include <cstdint>
__attribute__((visibility("hidden"))) int64_t factor() { return %d; }
"""
LOADING = """
import os, torch
torch.classes.load_library(os.path.join(os.path.dirname(__file__), "native.so"))
def use():
    return torch.ops.hermpkg_native.op(torch.ones(1)), torch.classes.hermpkg_native.Box().get()
"""
TWICE = """
import sys
import torch
from hermpkg_build import PackageImporter
for path in sys.argv[1:]:
    print(PackageImporter(path, files="real").import_module("native").use(), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_native_registrations_are_shared_or_refused_but_never_end_the_process(tmp_path: Path) -> None:
    for name, factor, note in (("one", 1, ""), ("same", 1, "x"), ("other", 2, "")):
        with PackageExporter(tmp_path / f"{name}.pt") as exporter:
            exporter.save_source_string("native", LOADING, is_package=True)
            exporter.save_binary("native", "native.so", _native_library(tmp_path, factor))
            exporter.save_text("native", "note.txt", note)  # Another folder for the same library.
            exporter.extern("**")

    def run(*names: str) -> subprocess.CompletedProcess[str]:
        paths = [str(tmp_path / f"{name}.pt") for name in names]
        return subprocess.run(
            [sys.executable, "-c", TWICE, *paths], capture_output=True, text=True, check=False
        )

    same = run("one", "same", "one")
    assert same.stdout == "(1, 1)\n" * 3, same.stderr
    other = run("one", "other")
    assert (other.returncode, other.stdout) == (1, "(1, 1)\n")
    assert "NativeNameTakenError" in other.stderr
    assert "loaded first" in other.stderr


def _native_library(folder: Path, factor: int) -> bytes:
    """A library whose functions give `factor`. The part that takes long to compile is one for all."""
    path, common = folder / f"{factor}.so", folder / "native.o"
    torch_folder = Path(torch.__file__).parent
    include = torch_folder / "include"
    # Wheels of torch before 2.6 keep the strings of older compilers.
    options = [
        "-fPIC",
        "-O0",
        "-std=c++20",
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
    ]

    def compiled(source: str, *words: str) -> None:
        (folder / "source.cpp").write_text(source)
        subprocess.run(["g++", *options, "source.cpp", *words], cwd=folder, check=True)

    if not common.exists():
        api = include / "torch/csrc/api/include"
        folders = (f"-I{include}", f"-I{api}", f"-I{sysconfig.get_path('include')}")
        compiled(NATIVE, "-c", "-o", str(common), *folders)
    if not path.exists():
        libraries = (f"-L{torch_folder}/lib", "-ltorch", "-ltorch_cpu", "-lc10")
        compiled(FACTOR % factor, str(common), "-shared", "-o", str(path), *libraries)
    return path.read_bytes()
