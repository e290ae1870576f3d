"""Objects: pickled canonically, named by the importers, refused with the path to what is wrong."""

import importlib
import io
import pickle
import zipfile

import pytest

from hermpkg_build import ObjMismatchError, PackageExporter, PackageImporter, PackagingError

EXTERN_EVERYTHING = "**"


def roundtrip(project, obj, protocol=3):
    importer = project.load(
        lambda e: (e.intern("**"), e.save_pickle("m", "obj.pkl", obj, pickle_protocol=protocol))
    )
    return importer.load_pickle("m", "obj.pkl")


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_protocols(project, protocol):
    project.module(
        "things",
        """\
        class Outer:
            class Inner:
                def __init__(self, value):
                    self.value = value
            @staticmethod
            def method():
                return 7
        """,
    )
    import things

    saved = [things.Outer.Inner({"a": (1, "x")}), things.Outer.method]
    exported = project.export(
        lambda e: (e.intern("**"), e.save_pickle("m", "obj.pkl", saved, pickle_protocol=protocol))
    )
    for opened in (PackageImporter, pytest.importorskip("torch.package").PackageImporter):
        loaded = opened(io.BytesIO(exported)).load_pickle("m", "obj.pkl")
        assert loaded[0].value == {"a": (1, "x")}
        assert type(loaded[0]).__qualname__ == "Outer.Inner"
        assert type(loaded[0]) is not things.Outer.Inner
        assert loaded[1]() == 7


@pytest.mark.parametrize("protocol", [0, 2, 6, -1, None])
def test_other_protocols(protocol):
    with pytest.raises(ValueError, match="3, 4 or 5"):
        PackageExporter(io.BytesIO()).save_pickle("m", "m.pkl", 1, pickle_protocol=protocol)


def test_the_path_to_what_cannot_be_pickled(project):
    project.module("things", "class Layer:\n    pass\n")
    import things

    model = things.Layer()
    model.layers = [things.Layer(), things.Layer()]
    model.layers[1].hook = lambda: None
    exporter = PackageExporter(io.BytesIO())
    with pytest.raises(pickle.PicklingError, match=r"model\.layers\[1\]\.hook.*lambda"):
        exporter.save_pickle("m", "model.pkl", model)
    with pytest.raises(pickle.PicklingError, match=r"obj\.layers"):
        exporter.save_pickle("m", "not-a-name.pkl", model)
    assert not exporter.file_structure().has_file("m/model.pkl")


def test_classes_without_a_module_of_their_own(project):
    class Local:
        pass

    with pytest.raises(pickle.PicklingError, match="inside the function"):
        project.export(lambda e: e.save_pickle("m", "m.pkl", Local()))


def test_objects_of_the_main_module_are_refused_with_advice(project, monkeypatch):
    import sys
    import types

    main = types.ModuleType("__main__")
    exec("class Thing:\n    pass\n", main.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", main)
    with pytest.raises(PackagingError, match="in a module of its own"):
        project.export(lambda e: e.save_pickle("m", "m.pkl", main.Thing()))
    project.export(lambda e: (e.extern("__main__"), e.save_pickle("m", "m.pkl", main.Thing())))


REDUCED = """\
class Note:
    def __init__(self, text):
        self.text = text
    def __reduce_package__(self, exporter):
        package = f"notes-generated._{exporter.get_unique_id()}"
        exporter.save_text(package, "note.txt", self.text)
        return restore, (package,)

def restore(importer, package):
    return Note(importer.load_text(package, "note.txt") + "!")

class Temporary:
    '''Pickles as notes that exist only while it is pickled.'''
    def __init__(self, texts):
        self.texts = texts
    def __reduce__(self):
        return of_notes, tuple(Note(text) for text in self.texts)

def of_notes(*notes):
    return [note.text for note in notes]
"""


def test_reduce_package(project):
    project.module("notes", REDUCED)
    import notes

    note, other = notes.Note("one"), notes.Note("two")
    importer = project.load(
        lambda e: (
            e.intern("**"),
            e.save_pickle("m", "a.pkl", [note, other, note]),
            e.save_pickle("m", "b.pkl", note),
        )
    )
    loaded = importer.load_pickle("m", "a.pkl")
    assert [n.text for n in loaded] == ["one!", "two!", "one!"]
    assert loaded[0] is loaded[2]
    assert importer.load_pickle("m", "b.pkl").text == "one!"
    assert importer.file_structure().has_file("notes-generated/_1/note.txt")
    assert not importer.file_structure().has_file("notes-generated/_2/note.txt")


def test_temporaries_with_reduce_package_come_back_as_themselves(project):
    project.module("notes", REDUCED)
    import notes

    texts = [f"text {number}" for number in range(200)]
    loaded = roundtrip(project, [notes.Temporary(texts[i : i + 1]) for i in range(200)])
    assert loaded == [[f"{text}!"] for text in texts]


def test_what_reduce_package_must_return(project):
    project.module("notes", "class Bad:\n    def __reduce_package__(self, exporter):\n        return 5\n")
    import notes

    with pytest.raises(pickle.PicklingError, match="__reduce_package__ must return"):
        project.export(lambda e: e.save_pickle("m", "m.pkl", [notes.Bad()]))


def test_reduce_package_may_raise(project):
    project.module(
        "notes",
        "class Bad:\n    def __reduce_package__(self, exporter):\n        raise RuntimeError('no room')\n",
    )
    import notes

    with pytest.raises(pickle.PicklingError, match=r"m\[0\].*no room"):
        project.export(lambda e: e.save_pickle("m", "m.pkl", [notes.Bad()]))


def test_many_pickles(project):
    def save(exporter):
        for number in range(300):
            exporter.save_pickle("m", f"{number}.pkl", {"n": number, "f": pytest.raises})

    importer = project.load(lambda e: (e.extern(["pytest.**", "_pytest.**"]), save(e)))
    assert importer.load_pickle("m", "299.pkl")["n"] == 299


# ---- objects that were packaged before


@pytest.fixture
def package(project):
    project.module("lib", "class Thing:\n    name = 'packaged'\n")
    import lib

    data = project.export(lambda e: (e.intern("lib"), e.save_pickle("m", "m.pkl", lib.Thing())))
    project.module("lib", "class Thing:\n    name = 'environment'\n")
    return PackageImporter(io.BytesIO(data), check="off")


def test_an_imported_object_is_exported_again(project, package):
    from hermpkg_build import sys_importer

    thing = package.load_pickle("m", "m.pkl")
    importer = project.load(
        lambda e: (e.intern("lib"), e.save_pickle("m", "m.pkl", thing)), importer=(package, sys_importer)
    )
    assert importer.load_pickle("m", "m.pkl").name == "packaged"
    importer = project.load(
        lambda e: (e.intern("lib"), e.save_module(type(thing).__module__)), importer=(package, sys_importer)
    )
    assert importer.import_module("lib").Thing.name == "packaged"


def test_an_object_of_an_importer_that_was_not_given_is_refused(project, package):
    thing = package.load_pickle("m", "m.pkl")
    with pytest.raises(pickle.PicklingError) as caught:
        project.export(lambda e: (e.intern("lib"), e.save_pickle("m", "m.pkl", thing)))
    assert isinstance(caught.value, ObjMismatchError)
    assert package.id() in str(caught.value)
    assert "importer=(that_importer, sys_importer)" in str(caught.value)


def test_the_wrong_source_is_never_packed(project, package):
    import lib

    from hermpkg_build import sys_importer

    thing = package.load_pickle("m", "m.pkl")
    for obj, importers in ((thing, (sys_importer, package)), (lib.Thing(), (package, sys_importer))):
        with pytest.raises(ObjMismatchError, match="before") as caught:
            project.export(
                lambda e, obj=obj: (e.intern("lib"), e.save_pickle("m", "m.pkl", obj)), importer=importers
            )
        assert isinstance(caught.value, pickle.PicklingError)
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), str(again)) == (type(caught.value), str(caught.value))


def test_an_object_of_another_importer_of_the_same_package(project, package):
    from hermpkg_build import sys_importer

    other = PackageImporter(io.BytesIO(project.exported), check="off")
    thing = other.load_pickle("m", "m.pkl")
    with pytest.raises(pickle.PicklingError, match=other.id()):
        project.export(
            lambda e: (e.intern("lib"), e.save_pickle("m", "m.pkl", thing)), importer=(package, sys_importer)
        )


def test_mocked_modules_stay_mocked_when_they_are_packed_again(project):
    project.module("own", "import costly, costly.deep\n")
    project.package("costly")
    project.module("costly.deep")
    first = project.load(lambda e: (e.mock("costly.**"), e.save_module("own")))
    second = project.load(
        lambda e: (e.intern("costly.**"), e.mock("**"), e.save_source_string("own", "import costly.deep\n")),
        importer=first,
    )
    with pytest.raises(NotImplementedError):
        second.import_module("own").costly.deep.anything()
    assert {"_mock.py", "costly/__init__.py", "costly/deep.py"} <= set(second.record_names())
    third = project.load(lambda e: e.save_module("costly.deep"), importer=second)
    with pytest.raises(NotImplementedError):
        third.import_module("costly.deep").anything()


def test_code_that_knows_its_importer_is_packed_again(project):
    source = "import torch_package_importer\nfrom torch_package_importer import load_text\ntext = load_text\n"
    project.module(
        "knows", "import sys\nif '__torch_package__' in dir():\n    import torch_package_importer\n"
    )
    first = project.load(lambda e: (e.save_module("knows"), e.save_source_string("own", source)))
    second = project.load(lambda e: (e.save_module("knows"), e.save_module("own")), importer=first)
    assert second.import_module("own").torch_package_importer is second
    assert "torch_package_importer" not in second.extern_modules


def test_a_folder_of_a_package_hides_no_module(project):
    project.module("par.__init__", "x = 1\n")
    project.module("par.one", "y = 1\n")
    project.module("par.two", "from par import x\nfrom par.one import y\n")
    first = project.load(lambda e: e.save_module("par.one", dependencies=False))
    from hermpkg_build import sys_importer

    second = project.load(
        lambda e: (e.intern("par.**"), e.save_module("par.two")), importer=(first, sys_importer)
    )
    assert second.import_module("par.two").x == 1


def test_importers_of_a_users_own_kind(project):
    from hermpkg_build import Importer

    ran = []
    project.module("own", "import wanted, denied_one\n")
    wanted = project.module("away.wanted", "x = 1\n")

    class Mine(Importer):
        def __init__(self):
            self.modules = {}

        def import_module(self, module_name):
            import types

            ran.append(module_name)
            if module_name == "own":
                module = types.ModuleType("own")
                module.__file__ = str(project.root / "own.py")
            elif module_name == "wanted":
                module = types.ModuleType("wanted")
                module.__file__ = str(wanted)
            else:
                raise ModuleNotFoundError(module_name)
            return module

    records = project.records(
        lambda e: (e.mock("denied_one"), e.intern("**"), e.save_module("own")), importer=Mine()
    )
    assert records["wanted.py"] == b"x = 1\n"
    assert "denied_one" not in ran


HOLDS_PICKLES = """
import pickle


class Part:
    pass


class Holds:
    def __init__(self):
        self.part = Part()

    def __getstate__(self):
        return pickle.dumps({"part": self.part, "home": Part.__module__})

    def __setstate__(self, data):
        self.__dict__.update(pickle.loads(data))
"""


def test_pickles_inside_of_objects_are_packed_anew_with_plain_names(project):
    from hermpkg_build import sys_importer

    project.module("holds", HOLDS_PICKLES)
    holds = importlib.import_module("holds").Holds()
    package = project.load(lambda e: (e.intern("holds"), e.save_pickle("m", "m.pkl", holds)))
    exported = []
    for _ in range(2):
        thing = package.load_pickle("m", "m.pkl")
        assert type(thing.part) is package.import_module("holds").Part
        assert type(pickle.loads(pickle.dumps(thing)).part) is type(thing.part)
        package = project.load(
            lambda e, thing=thing: (e.intern("holds"), e.save_pickle("m", "m.pkl", thing)),
            importer=(package, sys_importer),
        )
        exported.append(project.exported)
    assert exported[0] == exported[1]
    with zipfile.ZipFile(io.BytesIO(exported[0])) as archive:
        assert b"torch_package" not in archive.read("archive/m/m.pkl")
