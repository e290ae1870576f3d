"""Where a library is not installed, one error says which extra has it, and nothing else is lost."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hermpkg_build.errors import ExitCode
from hermpkg_build.integrations.extras import ExtraNotInstalledError


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch):
    """Takes libraries away."""

    def take(*names: str) -> None:
        for name in names:
            for loaded in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
                monkeypatch.delitem(sys.modules, loaded)
            monkeypatch.setitem(sys.modules, name, None)

    return take


def test_mlflow_is_asked_for_by_its_extra(artifact, without, tmp_path):
    from hermpkg_build.integrations import mlflow

    without("mlflow")
    with pytest.raises(ExtraNotInstalledError, match="pip install 'hermpkg-build\\[mlflow\\]'") as raised:
        mlflow.save_model(artifact(), tmp_path / "model")
    assert isinstance(raised.value, ImportError)
    assert raised.value.exit_code == ExitCode.LOCAL_ENVIRONMENT
    with pytest.raises(ExtraNotInstalledError):
        mlflow.load_model("models:/x/1")
    assert not (tmp_path / "model").exists()


def test_ray_is_asked_for_by_its_extra(artifact, without):
    from hermpkg_build.integrations import ray

    without("ray")
    for call in (ray.deploy, ray.application, ray.share):
        with pytest.raises(ExtraNotInstalledError, match="pip install 'hermpkg-build\\[ray\\]'"):
            call(artifact())
    with pytest.raises(ExtraNotInstalledError):
        ray.shared_artifacts()


def test_integrations_load_no_library_before_it_is_used():
    script = "import sys; from hermpkg_build.integrations import mlflow, ray; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {*done.stdout.split()} & {"mlflow", "ray", "torch", "numpy", "pandas"}


def test_requirements_are_told_without_mlflow(artifact, without):
    from hermpkg_build.integrations import mlflow

    without("mlflow")
    lines = mlflow.requirements_of(artifact())
    assert lines[0].startswith("hermpkg-build==")
    assert not [line for line in lines if line.startswith("#")]
