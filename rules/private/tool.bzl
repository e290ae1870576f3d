"""hermpkg_build.bazel as a tool: one archive, with the bytecode of the Python that runs it."""

load("//rules/private:interpreter.bzl", "InterpreterInfo")

# As actions are run, but that it heeds the variable: sets are compiled to the same bytes each time.
_FLAGS = ["-S", "-s", "-B", "-X", "utf8"]
_ENVIRONMENT = {"PYTHONHASHSEED": "0"}

def _python_tool_impl(ctx):
    python = ctx.attr._python[InterpreterInfo]

    # Bazel restarts a worker when an executable changes that its action names as a tool. So this is one,
    # although the rules start it with an interpreter.
    archive = ctx.actions.declare_file(ctx.label.name + ".zip")
    request = ctx.actions.args()
    request.set_param_file_format("multiline")
    request.use_param_file("@%s", use_always = True)
    request.add(archive)
    request.add(ctx.file.main)
    request.add_all(ctx.files.srcs)
    ctx.actions.run(
        executable = python.path,
        arguments = _FLAGS + [ctx.file.maker.path, python.bytecode, request],
        env = _ENVIRONMENT,
        inputs = [ctx.file.maker, ctx.file.main] + ctx.files.srcs,
        outputs = [archive],
        mnemonic = "HermpkgTool",
        progress_message = "Compiling hermpkg",
    )
    return [DefaultInfo(executable = archive, runfiles = ctx.runfiles(files = [archive]))]

python_tool = rule(
    implementation = _python_tool_impl,
    attrs = {
        "main": attr.label(
            allow_single_file = [".py"],
            mandatory = True,
        ),
        "maker": attr.label(
            allow_single_file = [".py"],
            mandatory = True,
        ),
        "srcs": attr.label_list(allow_files = [".py"]),
        "_python": attr.label(
            default = "//rules:python",
            providers = [InterpreterInfo],
        ),
    },
    executable = True,
)

def runfile_path(ctx, file):
    """The path of a file of any repository among runfiles.

    Args:
      ctx: the context of the target that has it.
      file: a File.

    Returns:
      A string, relative to the folder of all runfiles.
    """
    path = file.short_path
    return path[len("../"):] if path.startswith("../") else "%s/%s" % (ctx.workspace_name, path)
