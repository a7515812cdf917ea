"""From the words of a command line to an exit code: the command is found, done, and its trouble told."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.values import Action
from taskdeck_tui import __version__
from taskdeck_tui.cli import parser
from taskdeck_tui.cli.exits import Exit, OutputError, UsageError
from taskdeck_tui.cli.output import Output
from taskdeck_tui.cli.terminated import terminations


def main(argv: Sequence[str] | None = None) -> int:
    """Do what a command line asks (`argv`: the words after the program's name), and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    output = Output(json="--json" in words)
    try:
        with terminations() as came:
            try:
                code = _done(words, output)
                output.flush()
            except KeyboardInterrupt:
                with suppress(OutputError):
                    output.flush()
                came.die()
                return Exit.INTERRUPTED
    except OutputError as error:
        output.error("output", str(error))
        return Exit.STORE
    return code


def _done(words: list[str], output: Output) -> int:
    try:
        return _run(words, output)
    except UsageError as error:
        output.error("usage", error.message, error.detail, below=error.below)
        return Exit.USAGE
    except StoreError as error:
        output.error(error.fault, error.message)
        return Exit.READ_ONLY if error.fault is Fault.READ_ONLY else Exit.STORE
    except OutputError:
        raise
    except Exception as error:
        from taskdeck_tui.crash import told

        output.error("internal", told(error))
        return Exit.STORE


def _run(words: list[str], output: Output) -> int:
    if words[:1] == ["--version"]:
        output.line(f"taskdeck {__version__}")
        return Exit.DONE
    if words[:1] in (["-h"], ["--help"]):
        output.line(parser.whole_parser().format_help().rstrip())
        return Exit.DONE
    if not words or words == ["--json"]:
        from taskdeck_tui.cli.offering import offer

        return offer(output)
    if words[0] in parser.FORMS:
        name, rest = words[0], words[1:]
    else:
        _refuse_slip(words[0])
        name, rest = parser.BOARD, words
    try:
        options = parser.arguments(name, rest)
    except SystemExit:
        return Exit.DONE  # argparse has printed the help that was asked for
    return _command(name, options, output)


def _command(name: str, options: Namespace, output: Output) -> int:
    """Do one command; its module is loaded only now, so that each starts as fast as it can."""
    match name:
        case parser.BOARD:
            from taskdeck_tui.cli.screens import board

            return board(options)
        case "demo":
            from taskdeck_tui.cli.screens import demo

            return demo(options)
        case "init":
            from taskdeck_tui.cli.adding import init

            return init(options, output)
        case "add":
            from taskdeck_tui.cli.adding import add

            return add(options, output)
        case "edit":
            from taskdeck_tui.cli.editing import edit

            return edit(options, output)
        case "list":
            from taskdeck_tui.cli.reading import list_tasks

            return list_tasks(options, output)
        case "counts":
            from taskdeck_tui.cli.reading import counts

            return counts(options, output)
        case "show":
            from taskdeck_tui.cli.reading import show

            return show(options, output)
        case "info":
            from taskdeck_tui.cli.info import info

            return info(options, output)
        case "pause":
            from taskdeck_tui.cli.pausing import pause

            return pause(options, output)
        case "resume":
            from taskdeck_tui.cli.pausing import resume

            return resume(options, output)
        case "log":
            from taskdeck_tui.cli.log import log

            return log(options, output)
        case "output":
            from taskdeck_tui.cli.said import tell_output

            return tell_output(options, output)
        case "replay":
            from taskdeck_tui.cli.past import replay

            return replay(options, output)
        case "stats":
            from taskdeck_tui.cli.stats import stats

            return stats(options, output)
        case "verify":
            from taskdeck_tui.cli.verifying import verify_store

            return verify_store(options, output)
        case "metrics":
            from taskdeck_tui.cli.metrics import metrics

            return metrics(options, output)
        case "mcp":
            from taskdeck_tui.cli.serving import serve

            return serve(options, output)
        case "run":
            from taskdeck_tui.cli.running import run

            return run(options, output)
        case "export":
            from taskdeck_tui.cli.exporting import export

            return export(options, output)
        case "backup":
            from taskdeck_tui.cli.keeping import backup

            return backup(options, output)
        case "restore":
            from taskdeck_tui.cli.keeping import restore

            return restore(options, output)
        case "recover":
            from taskdeck_tui.cli.keeping import recover

            return recover(options, output)
        case "convert":
            from taskdeck_tui.cli.converting import convert

            return convert(options, output)
        case "completion":
            from taskdeck_tui.cli.completion import completion

            return completion(options, output)
        case Action.RELEASE:
            from taskdeck_tui.cli.acting import release

            return release(options, output)
        case parser.STEP:
            from taskdeck_tui.cli.acting import step

            return step(options, output)
        case _:
            from taskdeck_tui.cli.acting import act

            return act(Action(name), options, output)


def _refuse_slip(word: str) -> None:
    """Raise UsageError for a word that looks like a slip of a command, and is no store."""
    if word.startswith("-") or os.path.lexists(word):
        return
    from difflib import get_close_matches

    nearest = get_close_matches(word, list(parser.FORMS), n=1, cutoff=0.7)
    if nearest:
        raise UsageError(f"{word} is neither a command nor a store; did you mean {nearest[0]}?")
