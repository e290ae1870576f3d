"""The flavor of MLflow, with its own tracking server, registry, scoring server and command line."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed here: `make integrations` has it")
pandas = pytest.importorskip("pandas")

from hermpkg_build import PackageImporter, TrustError  # noqa: E402
from hermpkg_build.errors import ArchiveError, CommandLineError  # noqa: E402
from hermpkg_build.integrations import mlflow as flavor  # noqa: E402
from hermpkg_build.integrations.packed_model import ModelNotFoundError  # noqa: E402
from hermpkg_build.integrations.values import ValueNotConvertedError  # noqa: E402
from hermpkg_build.version import __version__  # noqa: E402
from tests.integrations.servers import free_port, python, server  # noqa: E402


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tracking server with a database and a folder, which this process uses."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    command = python("-m", "mlflow", "server", "--port", str(port), "--workers", "1")
    command += ["--backend-store-uri", f"sqlite:///{folder}/db.sqlite"]
    command += ["--artifacts-destination", str(folder / "files")]
    with server(command, f"http://127.0.0.1:{port}/health", folder / "log.txt") as url:
        mlflow.set_tracking_uri(url.removesuffix("/health"))
        yield url.removesuffix("/health")
        mlflow.set_tracking_uri(None)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., str]:
    """Saves an artifact, and gives the folder of the model."""

    def save(file: str, **options: object) -> str:
        folder = str(tmp_path / "saved")
        flavor.save_model(file, folder, **options)
        return folder

    return save


def sha256(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


ONES = np.ones((2, 3), "f4")


def test_the_file_is_unchanged_inside_and_the_model_is_that_of_the_importer(artifact, saved):
    file = artifact(2.0)
    folder = saved(file)
    described = mlflow.models.Model.load(folder)
    assert sha256(f"{folder}/data/net.pt") == sha256(file) == described.flavors["hermpkg"]["sha256"]
    with PackageImporter(file) as importer:
        expected = importer.load_pickle("model", "model.pkl")
    assert flavor.load_model(folder).weight.equal(expected.weight)
    assert flavor.load_importer(folder).import_module("app.words").FACTOR == 2.0
    assert np.array_equal(mlflow.pyfunc.load_model(folder).predict(ONES), [[6, 6], [6, 6]])


def test_requirements_are_those_of_the_artifact(artifact, saved):
    lines = Path(saved(artifact()), "requirements.txt").read_text().splitlines()
    assert f"hermpkg-build=={__version__}" in lines
    assert [line for line in lines if line.startswith("torch==")]
    assert not [line for line in lines if line.startswith(("numpy", "pandas", "ray"))]


def test_requirements_of_the_caller_are_beside_them_or_in_their_place(artifact, saved, tmp_path):
    (tmp_path / "more.txt").write_text("six\n")
    for more in (["six"], str(tmp_path / "more.txt")):
        folder = saved(artifact(), extra_pip_requirements=more)
        lines = Path(folder, "requirements.txt").read_text().splitlines()
        assert {"six", f"hermpkg-build=={__version__}"} <= {*lines}
        shutil.rmtree(folder)
    lines = Path(saved(artifact(), pip_requirements=["six"]), "requirements.txt").read_text().splitlines()
    assert "six" in lines
    assert not [line for line in lines if line.startswith("hermpkg")]


def test_the_signature_is_that_of_the_recorded_example(artifact, saved):
    folder = saved(artifact(2.0, name="example.pt", example=True))
    described = mlflow.models.Model.load(folder)
    assert described.signature.inputs.to_dict()[0]["tensor-spec"] == {"dtype": "float32", "shape": (-1, 3)}
    assert described.signature.outputs.to_dict()[0]["tensor-spec"] == {"dtype": "float32", "shape": (-1, 2)}
    model = mlflow.pyfunc.load_model(folder)
    assert np.array_equal(model.predict(model.input_example), [[6, 6], [6, 6]])
    with pytest.raises(mlflow.MlflowException, match="shape"):
        model.predict(np.ones((2, 4), "f4"))


def test_an_example_of_the_caller_counts_and_no_signature_is_no_signature(artifact, saved, tmp_path):
    file = artifact(2.0, name="example.pt", example=True)
    frame = pandas.DataFrame({"a": [1.0], "b": [2.0], "c": [3.0]})
    described = mlflow.models.Model.load(saved(file, input_example=frame))
    assert described.signature.inputs.input_names() == ["a", "b", "c"]
    flavor.save_model(file, tmp_path / "none", signature=False)
    assert mlflow.models.Model.load(str(tmp_path / "none")).signature is None


@pytest.mark.parametrize(
    "data",
    [
        ONES,
        ONES.astype("f8"),
        ONES.tolist(),
        {"input": ONES},
        pandas.DataFrame(ONES, columns=["a", "b", "c"]),
        pandas.DataFrame({"a": [1, 1], "b": [1.0, 1.0], "c": [True, True]}),
        pandas.DataFrame(ONES, columns=["a", "b", "c"]).astype("Float32"),
        pandas.DataFrame({"input": [ONES[0], ONES[1]]}),
        pandas.DataFrame({"input": [ONES[0].tolist(), ONES[1].tolist()]}),
    ],
    ids=lambda data: type(data).__name__,
)
def test_data_of_all_kinds_are_the_same_call(artifact, saved, data):
    result = mlflow.pyfunc.load_model(saved(artifact())).predict(data)
    assert np.array_equal(result, [[6, 6], [6, 6]])
    assert result.dtype == np.float32


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pandas.DataFrame({"a": [1, None]}, dtype="Int64"), "a cannot be an argument: .* missing"),
        (pandas.DataFrame([[1.0, 2.0]], columns=["a", "a"]), "two columns .* same name"),
        (pandas.DataFrame({"input": ["a", 1]}), "input cannot be an argument: .* something else"),
        (pandas.DataFrame({"when": [pandas.Timestamp(0)]}), "cannot be an argument"),
        ({"x": ONES}, "it takes: *input"),
    ],
)
def test_what_does_not_fit_is_told(artifact, saved, data, words):
    with pytest.raises((ValueNotConvertedError, mlflow.MlflowException), match=words):
        mlflow.pyfunc.load_model(saved(artifact())).predict(data)


def test_functions_methods_and_parameters(artifact, saved):
    file = artifact(3.0, name="three.pt")
    folder = saved(file, model="app.words:scaled", input_example=(ONES, {"scale": 1.0}))
    result = mlflow.pyfunc.load_model(folder).predict(ONES, params={"scale": 2.0})
    assert result["rows"] == 2
    assert np.array_equal(result["y"], ONES * 6)


def test_models_of_conflicting_versions_work_side_by_side(artifact, tmp_path):
    models = []
    for factor in (2.0, 5.0):
        folder = str(tmp_path / f"saved {factor}")
        flavor.save_model(artifact(factor, name=f"{factor}.pt"), folder, model="app.words:scaled")
        models.append(mlflow.pyfunc.load_model(folder))
    assert [float(model.predict(ONES)["y"][0, 0]) for model in models] == [2, 5]


def test_nothing_is_left_where_saving_fails(artifact, tmp_path):
    folder = tmp_path / "new"
    with pytest.raises(ModelNotFoundError):
        flavor.save_model(artifact(), folder, model=("no", "such.pkl"))
    with pytest.raises(ValueError, match="Only one of"):
        flavor.save_model(artifact(), folder, conda_env={}, pip_requirements=["torch"])
    with pytest.raises(ArchiveError):
        flavor.save_model(tmp_path / "missing.pt", folder)
    with pytest.raises(ArchiveError, match="folder"):
        flavor.save_model(tmp_path, folder)
    assert os.listdir(tmp_path) == []
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(CommandLineError, match="something in the place"):
        flavor.save_model(artifact(), tmp_path / "full")


def test_a_file_that_was_changed_is_found(artifact, saved):
    folder = saved(artifact())
    with open(f"{folder}/data/net.pt", "ab") as file:
        file.write(b"\0")
    with pytest.raises(ArchiveError, match="not the one that was logged"):
        flavor.load_model(folder, verify_digest=True)


def test_a_policy_decides_before_anything_runs(artifact, saved, tmp_path):
    folder = saved(artifact())
    policy = tmp_path / "trust.toml"
    policy.write_text('[[artifact]]\nartifacts = "net.pt"\n')
    with pytest.raises(TrustError):
        flavor.load_model(folder, trust=policy)
    with pytest.raises(TrustError):
        mlflow.pyfunc.load_model(folder, model_config={"trust": str(policy)})
    with pytest.raises(TrustError):
        flavor.save_model(artifact(), tmp_path / "other", trust=policy)
    digest = sha256(artifact())
    policy.write_text(f'[[artifact]]\nsha256 = "{digest}"\nallow-all = true\n')
    assert flavor.load_model(folder, trust=policy)
    assert mlflow.pyfunc.load_model(folder, model_config={"trust": str(policy)}).predict(ONES) is not None


def test_a_model_of_another_flavor_is_refused(tmp_path):
    described = mlflow.models.Model()
    described.add_flavor("other", data="x")
    described.save(str(tmp_path / "MLmodel"))
    with pytest.raises(CommandLineError, match="no flavor hermpkg"):
        flavor.load_model(str(tmp_path))


# ---- with servers


@pytest.fixture(scope="module")
def logged(artifact, store) -> str:
    """The address of a version in the model registry."""
    with mlflow.start_run():
        file = artifact(2.0, name="example.pt", example=True)
        info = flavor.log_model(file, name="net", registered_model_name="net", tags={"team": "vision"})
    assert int(info.registered_model_version) == 1
    assert info.flavors["hermpkg"]["sha256"] == sha256(file)
    return "models:/net/1"


def test_a_version_of_the_registry_is_the_same_file(artifact, logged, tmp_path):
    folder = mlflow.artifacts.download_artifacts(logged, dst_path=str(tmp_path))
    assert sha256(f"{folder}/data/example.pt") == sha256(artifact(2.0, name="example.pt", example=True))
    assert flavor.load_model(logged).weight.shape == (2, 3)
    assert np.array_equal(mlflow.pyfunc.load_model(logged).predict(ONES), [[6, 6], [6, 6]])


def test_a_new_version_is_logged_beside_the_old_one(artifact, logged):
    flavor.log_model(artifact(5.0, name="five.pt"), name="net", registered_model_name="net")
    assert mlflow.pyfunc.load_model("models:/net/2").predict(ONES)[0, 0] == 15
    assert mlflow.pyfunc.load_model(logged).predict(ONES)[0, 0] == 6


def test_models_serve_answers_requests(logged, store, tmp_path):
    port = free_port()
    command = python(
        "-m", "mlflow", "models", "serve", "-m", logged, "-p", str(port), "--env-manager", "local"
    )
    environ = {"MLFLOW_TRACKING_URI": store, "PATH": _path()}
    with server(command, f"http://127.0.0.1:{port}/ping", tmp_path / "log.txt", **environ) as url:
        address = url.replace("ping", "invocations")
        assert _post(address, {"inputs": ONES.tolist()}) == {"predictions": [[6.0, 6.0], [6.0, 6.0]]}
        with pytest.raises(urllib.error.HTTPError) as raised:
            _post(address, {"inputs": [[1.0, 2.0]]})
        assert raised.value.code == 400
        raised.value.close()


def test_models_predict_writes_what_the_model_gives(logged, store, tmp_path):
    given, result = tmp_path / "in put.json", tmp_path / "out.json"
    given.write_text(json.dumps({"inputs": ONES.tolist()}))
    command = python("-m", "mlflow", "models", "predict", "-m", logged, "-i", str(given), "-o", str(result))
    # MLflow leaves what it downloaded there.
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environ = {**os.environ, "MLFLOW_TRACKING_URI": store, "PATH": _path(), "TMPDIR": str(temporary)}
    subprocess.run([*command, "--env-manager", "local"], check=True, env=environ, capture_output=True)
    assert json.loads(result.read_text()) == {"predictions": [[6.0, 6.0], [6.0, 6.0]]}


def _post(address: str, data: object) -> object:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, json.dumps(data).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())


def _path() -> str:
    """A path with the programs of this environment: MLflow starts some of them by name."""
    return os.pathsep.join([os.path.dirname(python()[0]), os.environ["PATH"]])


@pytest.fixture(autouse=True)
def no_stray_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """What MLflow leaves here and among temporary files lies in a folder that is thrown away."""
    folder = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    shutil.rmtree(folder)
