"""A repository for a Python interpreter of this machine: what it is, what is installed for it, and from which lock."""

load("//rules/private:requests.bzl", "INTERPRETER_FLAGS")

# Seconds that an installation may take: a torch has gigabytes.
_INSTALLING_S = 3600

_BUILD = """# The Python interpreter of hermpkg's actions, as it was when Bazel looked.

# Links to files of the workspace that say how artifacts record their environment, where they are there.
_LINKS = {links}

load("{interpreter_bzl}", "python_interpreter")

python_interpreter(
    name = "python",
    asked = _LINKS.values(),
    bytecode = {bytecode},
    environment = "environment.json",
    fingerprint = {fingerprint},
    path = {path},
    settings = {{link: path for link, path in _LINKS.items() if glob(
        [link],
        allow_empty = True,
    )}},
    workers = {workers},
    visibility = ["//visibility:public"],
)
"""

def _python_repository_impl(ctx):
    interpreter = _find_interpreter(ctx)
    if ctx.attr.requirements_lock:
        interpreter = _made_environment(ctx, interpreter)
    root = _workspace_root(ctx)
    request = [{"output": "environment.json"}, {"workspace": root}]
    described = _run_hermpkg(ctx, interpreter, "environment", request)
    if described.return_code:
        fail("%s cannot run hermpkg: %s.\n%s" % (interpreter, _advice(ctx), described.stderr))
    lines = described.stdout.strip().split("\n")
    links = {"workspace/%d" % number: path for number, path in enumerate(lines[2:])}
    for link, path in links.items():
        ctx.symlink("%s/%s" % (root, path), link)

    # Bazel gives paths as the bytes that they are. From version 8 on it writes them so unasked, and the
    # parameter will go; 8.1 was the first to have `original_name`.
    as_bytes = {} if hasattr(ctx, "original_name") else {"legacy_utf8": False}
    ctx.file(
        "BUILD",
        _BUILD.format(
            bytecode = json.encode(lines[1]),
            fingerprint = json.encode(lines[0]),
            interpreter_bzl = Label("//rules/private:interpreter.bzl"),
            links = json.encode(links),
            path = json.encode(interpreter),
            workers = ctx.attr.workers,
        ),
        executable = False,
        **as_bytes
    )

def _run_hermpkg(ctx, interpreter, action, request):
    """Runs an action of hermpkg by an interpreter."""
    lines = [json.encode(line) for line in request + [{"encoding": "é"}]]
    ctx.file(action + ".request", "\n".join(lines), executable = False)
    launcher = ctx.path(Label("//rules/private:launch.py"))
    return ctx.execute([interpreter] + INTERPRETER_FLAGS + [launcher, action, "@%s.request" % action])

def _advice(ctx):
    if ctx.attr.requirements_lock:
        return "lock what hermpkg-build depends on in %s, too" % ctx.attr.requirements_lock
    return "install hermpkg's dependencies for it, or name another interpreter"

def _workspace_root(ctx):
    """The folder of the workspace that is built. Bazel 4 tells it in a file alone."""
    if hasattr(ctx, "workspace_root"):
        return str(ctx.workspace_root)
    return ctx.read(ctx.path("../../DO_NOT_BUILD_HERE")).strip()

def _find_interpreter(ctx):
    """The path as it is given: what a virtual environment links to would not be that environment."""
    if ctx.attr.interpreter_target:
        return str(ctx.path(ctx.attr.interpreter_target))
    asked = ctx.attr.interpreter or ctx.os.environ.get("HERMPKG_PYTHON", "")
    if not asked:
        found = ctx.which("python3")
        if not found:
            fail("there is no python3 in the PATH: name an interpreter, or set HERMPKG_PYTHON")
        return str(found)
    if not asked.startswith("/"):
        fail("the path of the interpreter is not absolute: " + asked)
    return asked

def _watch_included(ctx, interpreter, lock):
    """Has Bazel look at the files that the lock includes, as it does at the lock."""
    listed = _run_hermpkg(ctx, interpreter, "included", [{"source": lock}])
    if listed.return_code:
        fail("%s cannot be read: %s" % (ctx.attr.requirements_lock, listed.stderr))
    for path in listed.stdout.split("\n"):
        if path and hasattr(ctx, "watch"):
            ctx.watch(path)
        elif path:
            ctx.path(_label_of(ctx, path))

def _label_of(ctx, path):
    """The label of a file of the lock's repository: before 7.1, Bazel looks at no other files."""
    lock = ctx.attr.requirements_lock
    root = str(ctx.path(lock))[:-len("/".join([lock.package, lock.name]).lstrip("/"))]
    parts = path[len(root):].split("/")
    for length in range(len(parts) - 1, -1, -1):
        folder = parts[:length]
        paths = [root + "/".join(folder + [name]) for name in ("BUILD", "BUILD.bazel")]
        if [path for path in paths if ctx.path(path).exists]:
            return lock.relative("//%s:%s" % ("/".join(folder), "/".join(parts[length:])))
    fail("%s includes %s, which lies in no package: put a BUILD file beside it" % (lock, path))

def _made_environment(ctx, interpreter):
    """Makes an environment in the repository, with what is locked; the path of its interpreter."""
    if ctx.attr.interpreter_target:
        # What a repository of rules_python links to is where the standard library lies.
        interpreter = str(ctx.path(interpreter).realpath)
    python = str(ctx.path("environment/bin/python"))
    lock = str(ctx.path(ctx.attr.requirements_lock))
    _watch_included(ctx, interpreter, lock)
    pip = [python, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--no-deps"]
    for command in [
        [interpreter, "-I", "-m", "venv", "environment"],
        pip + ["--quiet", "--require-hashes", "--requirement", lock] + ctx.attr.extra_pip_args,
    ]:
        ran = ctx.execute(command, timeout = _INSTALLING_S)
        if ran.return_code:
            fail("the environment of %s cannot be made: %s\n%s%s" %
                 (ctx.attr.requirements_lock, " ".join(command), ran.stdout, ran.stderr))
    return python

_ATTRIBUTES = {
    "extra_pip_args": attr.string_list(doc = "Arguments for pip."),
    "interpreter": attr.string(doc = "An absolute path. See hermpkg_python."),
    "interpreter_target": attr.label(doc = "The interpreter, in place of its path.", allow_single_file = True),
    "requirements_lock": attr.label(doc = "A file of requirements with hashes.", allow_single_file = True),
    "workers": attr.bool(mandatory = True),
}

python_repository = repository_rule(
    implementation = _python_repository_impl,
    attrs = _ATTRIBUTES,
    configure = True,
    doc = "Describes an interpreter of this machine. `bazel sync --configure` looks again.",
    environ = [
        "HERMPKG_PYTHON",
        "PATH",
    ],
    local = True,
)

# What is made of a file is made again when that changes, and not whenever Bazel looks at the machine.
python_environment_repository = repository_rule(
    implementation = _python_repository_impl,
    attrs = _ATTRIBUTES,
    configure = True,
    doc = "Makes an environment of an interpreter and a file of requirements.",
    environ = [
        "HERMPKG_PYTHON",
        "PATH",
    ],
)

def declare_python(requirements_lock, **arguments):
    """Declares the repository of an interpreter.

    Args:
      requirements_lock: what is installed for it, a label, or None where that is there already.
      **arguments: the other attributes.
    """
    declare = python_environment_repository if requirements_lock else python_repository
    declare(requirements_lock = requirements_lock, **arguments)
