"""recording: how the artifacts of the workspace record their environment, in a file."""

load("//rules/private:requests.bzl", "TOOL_ATTRS", "run_recording")

def _recording_impl(ctx):
    output = ctx.actions.declare_file(ctx.label.name + ".json")
    run_recording(ctx, output)
    return [DefaultInfo(files = depset([output]))]

recording = rule(
    implementation = _recording_impl,
    attrs = TOOL_ATTRS,
    doc = "What the settings and the lock of the workspace come to, for every artifact.",
)
