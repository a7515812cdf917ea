"""The command that changes what tasks say."""

from __future__ import annotations

from argparse import Namespace

from taskdeck_store.values import Action, Json
from taskdeck_tui.cli.acting import carry_out
from taskdeck_tui.cli.adding import moment_given
from taskdeck_tui.cli.exits import Exit, UsageError
from taskdeck_tui.cli.output import Output


def edit(options: Namespace, output: Output) -> Exit:
    """Change the fields that are given of every task named; an empty text empties a list, or a moment."""
    given: dict[str, Json] = {
        "title": options.title,
        "description": options.description,
        "priority": options.priority,
        "tags": _listed(options.tag),
        "max_attempts": options.max_attempts,
        "depends_on": _listed(options.depends_on),
    }
    fields = {name: value for name, value in given.items() if value is not None}
    if "data" in options:
        fields["data"] = options.data
    if options.not_before is not None:
        fields["not_before"] = moment_given(options.not_before or None)
    if not fields:
        raise UsageError("nothing to change was given; say it with --title, --priority, --tag, --depends-on …")
    return carry_out(Action.EDIT, options, fields, output)


def _listed(texts: list[str] | None) -> list[str] | None:
    return None if texts is None else [text for text in texts if text]
