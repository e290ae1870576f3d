"""package_test: a program that is run with an artifact."""

load("//rules/private:attributes.bzl", "declare", "rule_attributes")
load("//rules/private:interpreter.bzl", "InterpreterInfo")
load("//rules/private:providers.bzl", "ModelPackageInfo", "PythonModulesInfo", "merge_modules")
load("//rules/private:requests.bzl", "INTERPRETER_FLAGS", "add", "label_text", "run_check", "target_request")
load("//rules/private:tool.bzl", "runfile_path")

_SCRIPT = """#!/bin/sh
# Runs the test {label}, under bazel test as well as by itself.
cd "${{RUNFILES_DIR:-${{TEST_SRCDIR:-$0.runfiles}}}}/{workspace}" || exit 1
exec {command} "$@"
"""

def _package_test_impl(ctx):
    python = ctx.attr._python[InterpreterInfo]
    artifact = ctx.attr.package[ModelPackageInfo].artifact
    modules = merge_modules([dep[PythonModulesInfo] for dep in ctx.attr.deps])
    declaration = declare(ctx, "package_test")
    checked = run_check(ctx, declaration)
    files = depset([ctx.file.main] + ctx.files.data, transitive = [modules.sources, modules.resources])
    request = target_request(ctx, declaration, modules, files, in_runfiles = True)
    add(request, "artifact", artifact.short_path)
    add(request, "environment", python.environment.short_path)
    request_file = ctx.actions.declare_file(ctx.label.name + ".request")
    ctx.actions.write(request_file, request)
    script = ctx.actions.declare_file(ctx.label.name)
    command = [python.path] + INTERPRETER_FLAGS + [
        "../" + runfile_path(ctx, ctx.executable._tool),
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
        files = [artifact, checked, ctx.executable._tool, python.environment, request_file],
        transitive_files = files,
    )
    return [DefaultInfo(executable = script, runfiles = runfiles)]

def _quoted(word):
    return "'%s'" % word.replace("'", "'\\''")

package_test = rule(
    implementation = _package_test_impl,
    attrs = rule_attributes("package_test"),
    test = True,
)
