"""A flavor of MLflow: an artifact as a model of its registry, with the file unchanged inside.

    import hermpkg_build.integrations.mlflow as hermpkg_mlflow

    with mlflow.start_run():
        hermpkg_mlflow.log_model("model.pt", name="resnet", registered_model_name="resnet")
    mlflow.pyfunc.load_model("models:/resnet/1").predict(images)

The model is called in the process that loads it, isolated as PackageImporter does it, with what `pack` left
outside from that process's environment. ``mlflow models serve`` needs no code but this package.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hermpkg_build.disk.replacing import new_folder
from hermpkg_build.errors import ArchiveError, CommandLineError
from hermpkg_build.integrations.extras import missing_extra
from hermpkg_build.integrations.packed_model import PackedModel, Target, has_example, target_in
from hermpkg_build.integrations.values import Floats, plain_call, plain_example
from hermpkg_build.runtime.importer import PackageImporter
from hermpkg_build.version import __version__

if TYPE_CHECKING:
    from hermpkg_build.trust.gate import GivenPolicy

FLAVOR_NAME = "hermpkg"

_USUAL = {
    "model": None,
    "method": "",
    "grad": False,
    "floats": "model",
    "device": "",
    "trust": "",
    "check": "warn",
    "verify": "code",
}
"""The configuration of a logged model: what is called and how it is opened, and what that usually is."""


class Predictor:
    """The model as MLflow calls it: plain data in, plain data out."""

    def __init__(self, importer: PackageImporter, model: PackedModel, floats: Floats) -> None:
        self._importer = importer  # Open as long as there is a model: what that imports later comes from it.
        self._model = model
        self._floats = floats

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Call the model with `data`, and with `params` as further arguments by name.

        A dict are arguments by name, anything else is one argument; so is a frame whose columns are all
        numbers. Raises ValueNotConvertedError for what cannot be an argument or be given back, and what the
        model raises.
        """
        return plain_call(self._model, data, params, floats=self._floats)

    def get_raw_model(self) -> Any:
        """Return the object in the artifact."""
        return self._model.loaded


def save_model(
    file: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    model: Target | None = None,
    method: str = "",
    grad: bool = False,
    floats: Floats = "model",
    trust: GivenPolicy | None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | None = None,
    extra_pip_requirements: Sequence[str] | str | None = None,
    conda_env: Mapping[str, Any] | str | None = None,
    metadata: Mapping[str, Any] | None = None,
    mlflow_model: Any = None,
) -> None:
    """Save the artifact in `file` as a model of MLflow in the new folder `path`.

    `model`, `method` and `grad` say what is called, as for PackedModel; `floats` whether numbers with a
    fraction get the type of the model's parameters. `input_example` and `signature` are MLflow's. Where there
    is no example, the one that the artifact has recorded counts; where there is no signature, it is made from
    the example, for which the model is called once. With ``signature=False`` there is none. `trust` decides
    on the artifact before that, and is not recorded. Without `pip_requirements` they are what the artifact
    needs where it lands.

    Raises ExtraNotInstalledError, ArchiveError, ModelNotFoundError, TrustError, ValueNotConvertedError, and
    what MLflow and the model raise.
    """
    mlflow = _mlflow()
    source = _checked(file)
    with PackageImporter(source, trust=trust) as importer:
        target = target_in(importer, model)
        if input_example is not None or signature is not False:
            input_example, signature = _described(
                importer, (target, method, grad, floats), input_example, signature
            )
    if conda_env is None and pip_requirements is None:
        # MLflow takes its own guess where it is given only the further ones.
        pip_requirements = [*requirements_of(source), *_lines(extra_pip_requirements)]
        extra_pip_requirements = None
    described = mlflow_model if mlflow_model is not None else mlflow.models.Model()
    with _new_model(os.fspath(path)) as folder:
        described.add_flavor(
            FLAVOR_NAME,
            hermpkg_version=__version__,
            data=f"data/{os.path.basename(source)}",
            sha256=(digest := _sha256(source)),
        )
        mlflow.pyfunc.save_model(
            folder,
            loader_module=__name__,
            data_path=source,
            mlflow_model=described,
            signature=signature,
            input_example=input_example,
            pip_requirements=_as_mlflow(pip_requirements),
            extra_pip_requirements=_as_mlflow(extra_pip_requirements),
            conda_env=conda_env,
            metadata=dict(metadata) if metadata is not None else None,
            model_config={**_USUAL, "model": target, "method": method, "grad": grad, "floats": floats},
        )
        if _sha256(os.path.join(folder, "data", os.path.basename(source))) != digest:
            raise ArchiveError("the file changed while it was saved", facts=[("file", source)])


def log_model(
    file: str | os.PathLike[str],
    name: str | None = None,
    *,
    registered_model_name: str | None = None,
    model: Target | None = None,
    method: str = "",
    grad: bool = False,
    floats: Floats = "model",
    trust: GivenPolicy | None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | None = None,
    extra_pip_requirements: Sequence[str] | str | None = None,
    conda_env: Mapping[str, Any] | str | None = None,
    metadata: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    step: int = 0,
    await_registration_for: int = 300,
) -> Any:
    """Log the artifact in `file` in the run that is active, or a new one, and return MLflow's ModelInfo.

    With `registered_model_name` it becomes a new version in the model registry, which may take
    `await_registration_for` seconds. `params`, `tags` and `step` are those of MLflow's logged model; all
    else, and what is raised, is as for `save_model`.
    """
    import sys

    mlflow = _mlflow()
    return mlflow.models.Model.log(
        artifact_path=None,
        name=name or FLAVOR_NAME,
        flavor=sys.modules[__name__],
        registered_model_name=registered_model_name,
        await_registration_for=await_registration_for,
        metadata=metadata,
        params=params,
        tags=tags,
        step=step,
        file=file,
        model=model,
        method=method,
        grad=grad,
        floats=floats,
        trust=trust,
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        conda_env=conda_env,
    )


def load_model(
    model_uri: str,
    dst_path: str | None = None,
    *,
    device: str | None = None,
    trust: GivenPolicy | None = None,
    verify_digest: bool = False,
) -> Any:
    """Load the object that a logged model calls, as it is in the artifact, to a `device` if there is one.

    `model_uri` is any of MLflow's addresses, and `dst_path` an existing folder to download to. `trust` is a
    policy that must accept the artifact. With `verify_digest` the whole file is compared with what was
    logged.

    Raises ExtraNotInstalledError, CommandLineError for a model of another flavor, ArchiveError, TrustError.
    """
    importer, settings = _opened(model_uri, dst_path, trust, verify_digest=verify_digest)
    return PackedModel(importer, settings["model"], settings["method"], grad=True, device=device).loaded


def load_importer(
    model_uri: str,
    dst_path: str | None = None,
    *,
    trust: GivenPolicy | None = None,
    verify_digest: bool = False,
) -> PackageImporter:
    """Open the artifact of a logged model: for its modules, texts and other objects. As `load_model`."""
    return _opened(model_uri, dst_path, trust, verify_digest=verify_digest)[0]


def requirements_of(file: str | os.PathLike[str]) -> list[str]:
    """List what must be installed where an artifact lands, as requirements of pip, with this package.

    Nothing of the artifact runs. Raises ArchiveError.
    """
    from importlib.metadata import packages_distributions

    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.inspection.contents import manifest_of
    from hermpkg_build.inspection.groups import Belongings
    from hermpkg_build.inspection.requirements import needed_by, requirements_lines

    with ArchiveReader(os.fspath(file)) as archive:
        manifest = manifest_of(archive)
        needed = needed_by(manifest, Belongings(archive, manifest))
    owners = packages_distributions() if any(each.is_module for each in needed) else None
    lines = requirements_lines(needed, artifact="", python_version="", owners=owners)
    stated = [line.partition("  #")[0] for line in lines if not line.startswith("#")]
    return [f"hermpkg-build=={__version__}", *stated]


def _load_pyfunc(data_path: str, model_config: Mapping[str, Any] | None = None) -> Predictor:
    """Load a logged model for MLflow, which finds this by its name.

    `model_config` is what was logged, with what the caller changes of it: ``trust`` is the path of a policy,
    ``device`` where the model is called.
    """
    settings = _settings(model_config or {})
    importer = PackageImporter(
        data_path, check=settings["check"], verify=settings["verify"], trust=settings["trust"] or None
    )
    model = PackedModel(
        importer,
        settings["model"],
        settings["method"],
        grad=settings["grad"],
        device=settings["device"] or None,
    )
    return Predictor(importer, model, settings["floats"])


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Read the configuration of a logged model, which people can write into."""
    settings = {**_USUAL, **{name: value for name, value in config.items() if value is not None}}
    if isinstance(settings["model"], list):
        settings["model"] = tuple(settings["model"])
    if settings["floats"] not in ("model", "given"):
        raise ValueError(f"floats must be model or given, not {settings['floats']!r}")
    return settings


def _described(
    importer: PackageImporter, call: tuple[Target, str, bool, Floats], example: Any, signature: Any
) -> tuple[Any, Any]:
    """Return the example and the signature to log: the given ones, else recorded and made ones."""
    target, method, grad, floats = call
    if example is None and not has_example(importer, target):
        return None, signature
    model = PackedModel(importer, target, method, grad=grad)
    if example is None:
        example = plain_example(model)
    if signature is None:
        # As everywhere in MLflow, an example may be a pair of the data and parameters by name.
        with_params = isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], dict)
        data, params = example if with_params else (example, None)
        result = plain_call(model, data, params, floats=floats)
        signature = _mlflow().models.infer_signature(data, result, params)
    return example, signature


def _opened(
    model_uri: str, dst_path: str | None, trust: GivenPolicy | None, *, verify_digest: bool
) -> tuple[PackageImporter, dict[str, Any]]:
    mlflow = _mlflow()
    folder = mlflow.artifacts.download_artifacts(artifact_uri=model_uri, dst_path=dst_path)
    described = mlflow.models.Model.load(folder)
    flavor = described.flavors.get(FLAVOR_NAME)
    if flavor is None:
        raise CommandLineError(
            f"the model has no flavor {FLAVOR_NAME}",
            facts=[("model", model_uri), ("flavors", ", ".join(described.flavors))],
            next_step="log it with hermpkg_build.integrations.mlflow.log_model",
        )
    file = os.path.join(folder, flavor["data"])
    if verify_digest and (found := _sha256(file)) != flavor["sha256"]:
        raise ArchiveError(
            "the artifact is not the one that was logged",
            facts=[("file", file), ("logged", flavor["sha256"]), ("found", found)],
        )
    config = described.flavors.get(mlflow.pyfunc.FLAVOR_NAME, {}).get("config")
    return PackageImporter(file, trust=trust), _settings(config or {})


@contextmanager
def _new_model(path: str) -> Iterator[str]:
    """A context with a folder to save a model in, which becomes that at `path` where nothing went wrong."""
    path = os.path.abspath(path)
    if os.path.lexists(path) and not (os.path.isdir(path) and not os.listdir(path)):
        raise CommandLineError(
            "there is something in the place of the new model",
            facts=[("path", path)],
            next_step="name a folder that does not exist yet",
        )
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with new_folder(os.path.dirname(path)) as aside:
        yield os.path.join(aside, "model")
        os.rename(os.path.join(aside, "model"), path)


def _checked(file: str | os.PathLike[str]) -> str:
    """Return the path of an artifact that MLflow can copy. Raises ArchiveError."""
    path = os.path.abspath(file)
    if os.path.isdir(path):  # An unpacked one has no digest.
        raise ArchiveError("a folder is no artifact that can be logged", facts=[("folder", path)])
    return path


def _sha256(path: str) -> str:
    from hermpkg_build.disk.unchanged_files import hash_file

    return hash_file(path)[0].hash


def _lines(requirements: Sequence[str] | str | None) -> list[str]:
    """Return requirements, or the path of a file with some, as lines of another such file."""
    return [f"-r {requirements}"] if isinstance(requirements, str) else [*(requirements or ())]


def _as_mlflow(requirements: Sequence[str] | str | None) -> Any:
    return requirements if requirements is None or isinstance(requirements, str) else list(requirements)


def _mlflow() -> Any:
    try:
        import mlflow.models
        import mlflow.pyfunc
    except ImportError as error:
        raise missing_extra("mlflow", error) from None
    return mlflow
