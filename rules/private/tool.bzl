"""hermpkg_build.bazel as a tool: its launcher with all that it imports as runfiles."""

ToolInfo = provider(
    doc = "A Python program that the interpreter of the rules runs.",
    fields = {
        "launcher": "The file that the interpreter runs.",
    },
)

def _python_tool_impl(ctx):
    # Bazel restarts a worker when an executable changes that its action names as a tool, or a runfile of
    # that executable. So there is an executable, although the rules start the launcher with an interpreter.
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.write(
        executable,
        "#!/bin/sh\nexec python3 \"$0.runfiles/%s/%s\" \"$@\"\n" % (
            ctx.workspace_name,
            ctx.file.launcher.short_path,
        ),
        is_executable = True,
    )
    return [
        DefaultInfo(
            executable = executable,
            runfiles = ctx.runfiles(files = [ctx.file.launcher] + ctx.files.srcs),
        ),
        ToolInfo(launcher = ctx.file.launcher),
    ]

python_tool = rule(
    implementation = _python_tool_impl,
    attrs = {
        "launcher": attr.label(
            allow_single_file = [".py"],
            mandatory = True,
        ),
        "srcs": attr.label_list(allow_files = [".py"]),
    },
    executable = True,
    provides = [ToolInfo],
)

def launcher_path(ctx, tool):
    """The launcher's path among runfiles.

    Args:
      ctx: the context of the target that runs it.
      tool: a target with a ToolInfo.

    Returns:
      A string, relative to the folder of all runfiles.
    """
    path = tool[ToolInfo].launcher.short_path
    return path[len("../"):] if path.startswith("../") else "%s/%s" % (ctx.workspace_name, path)
