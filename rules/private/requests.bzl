"""Requests to hermpkg_build.bazel, and the actions that carry them out."""

load("//rules/private:interpreter.bzl", "InterpreterInfo")
load("//rules/private:providers.bzl", "merge_modules")
load("//rules/private:settings.bzl", "StringListInfo")

# The attributes of every rule that has actions.
TOOL_ATTRS = {
    "_python": attr.label(
        default = "//rules:python",
        providers = [InterpreterInfo],
    ),
    "_source_roots": attr.label(
        default = "//rules:source_roots",
        providers = [StringListInfo],
    ),
    "_tool": attr.label(
        default = "//rules/private:tool",
        # Compiled by the interpreter of this configuration, which runs it.
        cfg = "target",
        executable = True,
    ),
}

# -I keeps out what surrounds Bazel, such as PYTHONPATH; nothing is written beside the sources.
INTERPRETER_FLAGS = ["-I", "-B", "-X", "utf8"]

def label_text(label):
    """A label as hermpkg writes it: relative to its workspace, always with the name.

    Args:
      label: a Label.

    Returns:
      A string.
    """
    repository = repository_name(label)
    return "%s//%s:%s" % ("@" + repository if repository else "", label.package, label.name)

def repository_name(label):
    """The canonical name of a label's repository, "" for the workspace that is built.

    Args:
      label: a Label. From Bazel 6 on `repo_name` has it, and there is a flag that takes `workspace_name` away.

    Returns:
      A string.
    """
    return label.repo_name if hasattr(label, "repo_name") else label.workspace_name

def file_label_text(file):
    """The label of the place that a file has among source files. A generated file has one too.

    Args:
      file: a File.

    Returns:
      A string.
    """
    package = file.owner.package
    prefix = package + "/" if package else ""
    if repository_name(file.owner) or not file.short_path.startswith(prefix):
        return label_text(file.owner)
    return "//%s:%s" % (package, file.short_path[len(prefix):])

def new_request(ctx):
    """An empty request.

    Args:
      ctx: the context of a target.

    Returns:
      An Args that is always written to a file, with a line for each thing that is added.
    """
    request = ctx.actions.args()
    request.set_param_file_format("multiline")
    request.use_param_file("@%s", use_always = True)

    # The reader sees from this how Bazel writes letters beyond ASCII.
    add(request, "encoding", "é")
    return request

def add(request, name, value):
    """Adds a line.

    Args:
      request: what new_request gave.
      name: the input's name.
      value: a JSON value.
    """
    request.add(json.encode({name: value}))

def target_request(ctx, declaration, modules, files, in_runfiles = False):
    """A request for a target and those that it depends on.

    Args:
      ctx: the context of the target.
      declaration: what declare gave for it.
      modules: the PythonModulesInfo of its dependencies.
      files: the workspace files that the action may see: a depset or a list.
      in_runfiles: whether the request is for a test, which runs among runfiles.

    Returns:
      What new_request gives, with lines for all of them.
    """
    request = new_request(ctx)
    request.add(declaration, format = "{\"target\": %s}")
    request.add_all(modules.declarations, format_each = "{\"declared\": %s}")
    for root in ctx.attr._source_roots[StringListInfo].values:
        add(request, "source_root", root)
    request.add_all(files, map_each = _runfile_line if in_runfiles else _file_line)
    return request

def add_paths(request, name, files):
    """Adds the paths of files.

    Args:
      request: what new_request gave.
      name: the input's name.
      files: a depset or a list of files.
    """
    request.add_all(files, map_each = _path_json, format_each = "{\"" + name + "\": %s}")

def _file_line(file):
    return json.encode({"file": [file.short_path, file.path]})

def _runfile_line(file):
    return json.encode({"file": [file.short_path, file.short_path]})

def _path_json(file):
    return json.encode(file.path)

def run_recording(ctx, output):
    """Registers the action that finds the lock of the workspace.

    Args:
      ctx: the context of a target.
      output: the file that says how artifacts record their environment.
    """
    python = ctx.attr._python[InterpreterInfo]
    request = new_request(ctx)
    for path in python.asked:
        add(request, "asked", path)
    for file, path in python.settings.items():
        add(request, "file", [path, file.path])
    add(request, "output", output.path)
    run_tool(
        ctx,
        "recording",
        request,
        inputs = depset(python.settings.keys()),
        outputs = [output],
        mnemonic = "HermpkgLock",
        progress_message = "Reading the lock of the workspace",
        needs_environment = False,
        worker = True,
    )

def run_check(ctx, declaration, modules = merge_modules([]), sources = [], facts = []):
    """Registers the action that refuses a target in the words of hermpkg's own engine.

    Args:
      ctx: the context of the target.
      declaration: what declare gave for it.
      modules: the PythonModulesInfo of its dependencies, where it has modules.
      sources: the files of its modules.
      facts: the import facts of these.

    Returns:
      A File, empty, that exists if nothing is wrong.
    """
    stamp = ctx.actions.declare_file(ctx.label.name + ".checked")
    request = target_request(ctx, declaration, modules, sources)
    add_paths(request, "facts", facts)
    add(request, "output", stamp.path)
    run_tool(
        ctx,
        "check",
        request,
        inputs = depset(sources + facts),
        outputs = [stamp],
        mnemonic = "HermpkgCheck",
        progress_message = "Checking %s" % ctx.label,
        worker = True,
    )
    return stamp

def run_tool(ctx, action, request, inputs, outputs, mnemonic, progress_message, needs_environment = True, worker = False):
    """Registers an action.

    Args:
      ctx: the context of the target.
      action: the name of an action of hermpkg_build.bazel.
      request: what new_request gave.
      inputs: a depset of files.
      outputs: a list of files.
      mnemonic: the action's kind, for Bazel.
      progress_message: what Bazel shows while it runs.
      needs_environment: whether it depends on the packages that are installed for the interpreter.
      worker: whether a persistent worker can do it.
    """
    python = ctx.attr._python[InterpreterInfo]
    command = [action]
    environment = []
    if needs_environment:
        add(request, "environment", python.environment.path)
        command.append("--environment=" + python.fingerprint)
        environment.append(python.environment)
    requirements = {"requires-worker-protocol": "json", "supports-workers": "1"} if worker and python.workers else {}
    ctx.actions.run(
        executable = python.path,
        arguments = INTERPRETER_FLAGS + [ctx.executable._tool.path] + command + [request],
        inputs = depset(environment, transitive = [inputs]),
        tools = [ctx.attr._tool[DefaultInfo].files_to_run],
        outputs = outputs,
        mnemonic = mnemonic,
        progress_message = progress_message,
        execution_requirements = requirements,
    )
