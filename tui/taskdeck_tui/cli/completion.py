"""The command that prints a script for a shell to complete the command line with."""

from __future__ import annotations

from argparse import Action, ArgumentParser, Namespace

from taskdeck_tui.cli.exits import Exit, UsageError
from taskdeck_tui.cli.output import Output
from taskdeck_tui.cli.parser import whole_parser


def completion(options: Namespace, output: Output) -> Exit:
    """Write the script for a shell, made from the same options that read the command line."""
    import shtab

    if options.shell not in shtab.SUPPORTED_SHELLS:
        known = ", ".join(shtab.SUPPORTED_SHELLS)
        raise UsageError(f"the shtab installed here knows no {options.shell}; it knows {known}")

    class Completed(ArgumentParser):
        def add_argument(self, *names: str, **settings: object) -> Action:
            action = super().add_argument(*names, **settings)  # type: ignore[arg-type]
            if action.dest in ("store", "target", "backup", "bundle", "token_file"):
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # how shtab is told of files
            return action

    script = shtab.complete(whole_parser(Completed), shell=options.shell).rstrip()
    if output.json:
        output.document({"shell": options.shell, "script": script})
    else:
        output.line(script)
    return Exit.DONE
