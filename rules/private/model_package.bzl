"""model_package: an artifact out of models, modules and resources."""

load("//rules/private:attributes.bzl", "declare", "rule_attributes")
load("//rules/private:providers.bzl", "ModelInfo", "ModelPackageInfo", "PythonModulesInfo", "merge_modules")
load("//rules/private:requests.bzl", "add", "add_paths", "run_check", "run_tool", "target_request")

def _model_package_impl(ctx):
    models = [target[ModelInfo] for target in ctx.attr.models]
    modules = merge_modules(
        [dep[PythonModulesInfo] for dep in ctx.attr.deps] + [model.modules for model in models],
    )
    declaration = declare(ctx, "model_package")
    checked = run_check(ctx, declaration)
    artifact = ctx.actions.declare_file(_output(ctx))
    folders = [model.folder for model in models]
    files = depset(ctx.files.resources + ctx.files.environment, transitive = [modules.sources, modules.resources])
    request = target_request(ctx, declaration, modules, files)
    request.add_all([model.declaration for model in models], format_each = "{\"declared\": %s}")
    add_paths(request, "facts", modules.facts)
    for model in models:
        add(request, "model", [model.label, model.folder.path])
    add(request, "recording", ctx.file._recording.path)
    add(request, "output", artifact.path)
    run_tool(
        ctx,
        "assemble",
        request,
        inputs = depset([checked, ctx.file._recording] + folders, transitive = [files, modules.facts]),
        outputs = [artifact],
        mnemonic = "HermpkgAssemble",
        progress_message = "Assembling the artifact of %s" % ctx.label,
        worker = True,
    )
    return [
        DefaultInfo(files = depset([artifact])),
        ModelPackageInfo(artifact = artifact),
    ]

def _output(ctx):
    """The artifact's path. Where Bazel would refuse `out` before the check does, it is the default."""
    default = ctx.label.name + ".pt"
    out = ctx.attr.out or default
    return default if [part for part in out.split("/") if part in ("", ".", "..")] else out

model_package = rule(
    implementation = _model_package_impl,
    attrs = dict(
        rule_attributes("model_package"),
        _recording = attr.label(
            default = "//rules:recording",
            allow_single_file = True,
        ),
    ),
    provides = [ModelPackageInfo],
)
