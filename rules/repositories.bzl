"""The interpreter of the actions, for a WORKSPACE file.

    load("@hermpkg//rules:repositories.bzl", "hermpkg_python")

    hermpkg_python(interpreter = "/opt/venv/bin/python")
"""

load("//rules/private:python_repository.bzl", "declare_python")

def hermpkg_python(
        name = "hermpkg_python",
        interpreter = "",
        interpreter_target = None,
        requirements_lock = None,
        extra_pip_args = [],
        workers = None):
    """Declares the Python interpreter that models are built with.

    Args:
      name: the name of a repository for it. One with another name takes the place of the first by
        --@hermpkg//rules:python=@NAME//:python.
      interpreter: its absolute path. The default is that in HERMPKG_PYTHON, of the environment or of
        --repo_env, else the python3 of the PATH.
      interpreter_target: its label, in place of a path: an interpreter of rules_python, such as
        @python_3_11_host//:python.
      requirements_lock: the label of a file of requirements with hashes. They are installed, by pip, into an
        environment of the interpreter that is the repository's own.
      extra_pip_args: arguments for pip, such as --index-url.
      workers: whether persistent workers run the actions. The default is yes, except under Bazel 4, which
        needs --experimental_worker_allow_json_protocol for them.
    """
    declare_python(
        name = name,
        extra_pip_args = extra_pip_args,
        interpreter = interpreter,
        interpreter_target = interpreter_target,
        requirements_lock = requirements_lock,
        workers = _has_json_workers() if workers == None else workers,
    )

def _has_json_workers():
    """Whether this Bazel talks JSON to workers by default: 5.0 was the first."""
    major = (native.bazel_version or "").partition(".")[0]
    return major.isdigit() and int(major) >= 5
