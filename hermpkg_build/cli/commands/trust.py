"""``hermpkg trust``."""

from __future__ import annotations

from hermpkg_build.cli.arguments import flag, operand
from hermpkg_build.cli.command import CommonArguments, command
from hermpkg_build.cli.console import Console
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustArguments(CommonArguments):
    """What ``hermpkg trust`` is told: the file of an artifact."""

    artifact: str = operand("FILE")
    any_digest: bool = flag(
        "--any-digest", "leave out the digest: accept whatever has this name and asks for no more"
    )


@command(TrustArguments, group="look into artifacts", example="hermpkg trust model.pt")
def run(arguments: TrustArguments, console: Console) -> ExitCode:
    """Print the smallest policy that accepts an artifact.

    It names the digest, the classes and functions that pickles use besides the harmless ones, the packed
    modules and what their code can do, and the modules that must be installed, each with a place where it is
    found. Read it, strike out what you do not want, and paste the rest into a policy:
    `PackageImporter(FILE, trust="trust.toml")` and `HERMPKG_TRUST=trust.toml` open what it accepts.

    Where nothing that reads the file can tell what it would do, the reasons are listed, and the exit code is
    3. Nothing of the artifact runs, and nothing is imported.
    """
    from hermpkg_build.inspection.policies import smallest_policy
    from hermpkg_build.trust.errors import TrustError
    from hermpkg_build.trust.policy_text import rule_text

    found = smallest_policy(arguments.artifact, any_digest=arguments.any_digest)
    text = rule_text(found.rule, found.comments)
    console.give_json({"policy": text, "doubts": [need.full_name for need in found.doubts]})
    for line in text.splitlines():
        console.say(line)
    if not found.doubts:
        return ExitCode.SUCCESS
    error = TrustError(
        "the policy above does not accept the file: nobody can tell what it would do",
        facts=[
            ("file", arguments.artifact),
            *(("doubt", f"{need.full_name}: {', '.join(need.places[:3])}") for need in found.doubts),
        ],
        next_step="where you know who made it and out of what, accept its digest with allow-all = true",
    )
    console.describe(error)
    return error.exit_code
