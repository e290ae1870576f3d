"""package_test: a program that is run with an artifact."""

load("//rules/private:interpreter.bzl", "InterpreterInfo")
load("//rules/private:providers.bzl", "ModelPackageInfo", "PythonModulesInfo", "merge_modules")
load(
    "//rules/private:requests.bzl",
    "INTERPRETER_FLAGS",
    "TOOL_ATTRS",
    "add",
    "add_files",
    "add_target",
    "declare",
    "file_label_text",
    "label_text",
    "new_request",
)
load("//rules/private:tool.bzl", "launcher_path")

_SCRIPT = """#!/bin/sh
# Runs the test {label}, under bazel test as well as by itself.
cd "${{RUNFILES_DIR:-${{TEST_SRCDIR:-$0.runfiles}}}}/{workspace}" || exit 1
exec {command} "$@"
"""

def _package_test_impl(ctx):
    python = ctx.attr._python[InterpreterInfo]
    artifact = ctx.attr.package[ModelPackageInfo].artifact
    modules = merge_modules([dep[PythonModulesInfo] for dep in ctx.attr.deps])
    declaration = declare(ctx, "package_test", {
        "args": ctx.attr.arguments,
        "deps": [label_text(dep.label) for dep in ctx.attr.deps],
        "env": ctx.attr.variables,
        "main": file_label_text(ctx.file.main),
        "package": label_text(ctx.attr.package.label),
        "timeout": json.decode(ctx.attr.seconds),
    })
    files = depset([ctx.file.main], transitive = [modules.sources, modules.resources])
    request = new_request(ctx)
    add_target(request, ctx, declaration, modules)
    add_files(request, files, in_runfiles = True)
    add(request, "artifact", artifact.short_path)
    add(request, "environment", python.environment.short_path)
    request_file = ctx.actions.declare_file(ctx.label.name + ".request")
    ctx.actions.write(request_file, request)
    script = ctx.actions.declare_file(ctx.label.name)
    command = [python.path] + INTERPRETER_FLAGS + [
        "../" + launcher_path(ctx, ctx.attr._tool),
        "test",
        "@" + request_file.short_path,
    ]
    ctx.actions.write(
        script,
        _SCRIPT.format(
            command = " ".join([_quoted(word) for word in command]),
            label = label_text(ctx.label),
            workspace = ctx.workspace_name,
        ),
        is_executable = True,
    )
    runfiles = ctx.runfiles(
        files = [artifact, python.environment, request_file],
        transitive_files = files,
    ).merge(ctx.attr._tool[DefaultInfo].default_runfiles)
    return [DefaultInfo(executable = script, runfiles = runfiles)]

def _quoted(word):
    return "'%s'" % word.replace("'", "'\\''")

package_test = rule(
    implementation = _package_test_impl,
    attrs = dict(TOOL_ATTRS, **{
        # A test rule has args, env and timeout of its own, which mean something else.
        "arguments": attr.string_list(doc = "The program's command line."),
        "deps": attr.label_list(providers = [PythonModulesInfo]),
        "main": attr.label(
            allow_single_file = [".py"],
            mandatory = True,
        ),
        "package": attr.label(
            mandatory = True,
            providers = [ModelPackageInfo],
        ),
        "seconds": attr.string(doc = "A decimal number: after so many seconds the program has failed."),
        "variables": attr.string_dict(doc = "Environment variables to add."),
    }),
    test = True,
)
