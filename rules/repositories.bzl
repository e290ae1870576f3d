"""The interpreter of the actions, for a WORKSPACE file.

    load("@hermpkg//rules:repositories.bzl", "hermpkg_python")

    hermpkg_python(interpreter = "/opt/venv/bin/python")
"""

load("//rules/private:python_repository.bzl", "python_repository")

def hermpkg_python(name = "hermpkg_python", interpreter = "", workers = None):
    """Declares the Python interpreter that models are built with.

    Args:
      name: the name of a repository for it. One with another name takes the place of the first by
        --@hermpkg//rules:python=@NAME//:python.
      interpreter: its absolute path. The default is that in HERMPKG_PYTHON, of the environment or of
        --repo_env, else the python3 of the PATH.
      workers: whether persistent workers run the actions. The default is yes, except under Bazel 4, which
        needs --experimental_worker_allow_json_protocol for them.
    """
    python_repository(
        name = name,
        interpreter = interpreter,
        workers = _has_json_workers() if workers == None else workers,
    )

def _has_json_workers():
    """Whether this Bazel talks JSON to workers by default: 5.0 was the first."""
    major = (native.bazel_version or "").partition(".")[0]
    return major.isdigit() and int(major) >= 5
