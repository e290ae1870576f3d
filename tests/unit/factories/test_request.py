"""The forms of requests and model objects, which caches and other machines keep: they stay as they are."""

from __future__ import annotations

from hermpkg_build.core.canonical_json import dumps, loads
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.factories.request import ModelObject, ModelRequest, ObservedFiles, ObservedImport
from hermpkg_build.pickles.pickled import GlobalReference, StoredStorage

REQUEST = ModelRequest(
    label="//a:b",
    factory="a.b:make",
    arguments={"sizes": [1, {"deep": None}]},
    seed=3,
    modules={"a.b": "/w/a/b.py"},
    workspace_root="/w",
    search_path=("/lib",),
    source_roots=("", "src"),
)
MODEL = ModelObject(
    pickle=Digest("a" * 64, 9),
    globals=(GlobalReference("a.b", "Net"),),
    storages=(StoredStorage(digest=Digest("b" * 64, 4), crc32=5),),
    key_offsets=((20, 0),),
    observed_modules=(ObservedImport(module="a.b", importer="a", path="a.py", line=1, by_helper=True),),
    observed_files=ObservedFiles(read=("/w/a",), listed=("/w",), sought=("/w/x",)),
    data_read=("a/words.txt",),
    located_sources=("a.b",),
    computed_on="x86_64 glibc 2.36",
    unpinned=("AVX1024",),
)


def test_the_form_of_a_request() -> None:
    assert dumps(to_json(REQUEST)).decode() == (
        '{"arguments":{"sizes":[1,{"deep":null}]},"conditions":{"environment":{},"hash_seed":0,"home":"",'
        '"listing":"as-is","locale":"C.UTF-8","processor":"","threads":1,"time_zone":"UTC","umask":18,'
        '"working_folder":""},"cpu":"baseline","factory":"a.b:make","label":"//a:b","modules":{"a.b":"/w/a/b.py"},"own_paths":[],"resources":[],"search_path":["/lib"],"seed":3,'
        '"source_roots":["","src"],"weights":null,"weights_key":"","weights_prefix":"","workspace_root":"/w"}'
    )
    assert from_json(ModelRequest, loads(dumps(to_json(REQUEST)))) == REQUEST


def test_the_form_of_a_model_object() -> None:
    assert dumps(to_json(MODEL)).decode() == (
        '{"computed_on":"x86_64 glibc 2.36","data_read":["a/words.txt"],'
        '"globals":[["a.b","Net"]],"key_offsets":[[20,0]],"located_sources":["a.b"],"missed":[],'
        '"observed_files":{"code":[],"listed":["/w"],"read":["/w/a"],"sought":["/w/x"]},'
        f'"observed_modules":[["a.b","a","a.py",1,true,"",0]],"pickle":"{MODEL.pickle}",'
        f'"storages":[["{MODEL.storages[0].digest}",5]],"unpinned":["AVX1024"],"workspace_reads":[]}}'
    )
    assert from_json(ModelObject, loads(dumps(to_json(MODEL)))) == MODEL
