"""The commands and their options. Those that move a task are made from the transition table."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, HelpFormatter, Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from msgspec import Struct

from taskdeck_store.machine import RULES, TABLE, said
from taskdeck_store.values import Action
from taskdeck_tui.cli import values
from taskdeck_tui.cli.exits import UsageError

STEP = "step"
BOARD = "board"
SHELLS = ("bash", "zsh", "tcsh", "fish")

_HELP_COLUMNS = 78
_MOMENT = "2026-01-31, '2026-01-31 14:05', 14:05, 'yesterday 9am', -2h, in UTC"

_DESCRIPTION = "A control room for a store of tasks: watch them live, step, approve, reject, retry or fail them."
_EPILOG = (
    "taskdeck STORE is short for taskdeck board STORE. A store is a .json or a .db file, or a bundle. "
    "Exit codes: 0 done, 1 the store could not be read or written, 2 usage, 3 no such task, "
    "4 the action is illegal in its state, 5 it changed since the version given, 6 read-only."
)


class Form(Struct, frozen=True):
    """One command: what it does, in a line, and what it takes."""

    summary: str
    fill: Callable[[ArgumentParser], None]
    asks: bool = False


class Parser(ArgumentParser):
    """An argument parser that raises UsageError where argparse would exit, and knows options by their whole name."""

    def __init__(self, prog: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=prog, description=description, epilog=epilog, allow_abbrev=False, formatter_class=_formatter
        )

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with argparse's message, and where to read more."""
        raise UsageError(f"{message}; see: {self.prog} --help")


def arguments(name: str, words: Sequence[str]) -> Namespace:
    """Return what the words after a command's name ask for. Raises UsageError."""
    form = FORMS[name]
    parser = Parser(f"taskdeck {name}", form.summary)
    form.fill(parser)
    return parser.parse_intermixed_args(values.shielded(list(words)) if form.asks else list(words))


def whole_parser(parser_class: type[ArgumentParser] = ArgumentParser) -> ArgumentParser:
    """Return one parser of all commands, each of the class given: for help and for shell completion."""
    parser = Parser("taskdeck", _DESCRIPTION, _EPILOG)
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=parser_class)
    for name, form in FORMS.items():
        form.fill(commands.add_parser(name, help=form.summary, description=form.summary))
    return parser


def _formatter(prog: str) -> HelpFormatter:
    # Told no width, argparse loads shutil to ask for it, for every option of every command.
    return HelpFormatter(prog, width=_HELP_COLUMNS)


def _board(parser: ArgumentParser) -> None:
    _store(parser)
    parser.add_argument("--read-only", action="store_true", help="look only: no key changes a task")
    steps = "with them, s on a task does its work: claim, execute, verify"
    parser.add_argument("--handlers", metavar="MODULE:OBJECT", type=values.term, help=steps)
    _actor(parser)


def _demo(parser: ArgumentParser) -> None:
    parser.add_argument("--store", metavar="PATH", help="where to make the store, and keep it (else one that goes)")
    parser.add_argument("--tasks", metavar="N", type=values.count, default=120, help="how many tasks (%(default)s)")
    parser.add_argument("--seed", metavar="N", type=values.whole, default=1, help="same seed, same tasks (%(default)s)")
    _json(parser)


def _init(parser: ArgumentParser) -> None:
    _store(parser)


def _add(parser: ArgumentParser) -> None:
    _store(parser)
    parser.add_argument("title", metavar="TITLE", type=values.text, help="or - for JSON lines from stdin")
    parser.add_argument("--id", metavar="ID", type=values.text, help="letters, digits and . _ ~ - (else a new one)")
    parser.add_argument("--priority", metavar="N", type=values.whole, help="lower runs first (5)")
    parser.add_argument("--tag", metavar="T", type=values.text, action="append", help="a tag; may be given again")
    parser.add_argument("--data", metavar="JSON", type=values.json_value, help="the input of its work")
    later = "no worker starts it earlier: +2h, tomorrow 9am, 17:00 or ISO 8601, in UTC"
    parser.add_argument("--not-before", metavar="WHEN", type=values.text, help=later)
    needs = "a task to be completed first; may be given again"
    parser.add_argument("--depends-on", metavar="ID", type=values.text, action="append", help=needs)
    _actor(parser)


def _edit(parser: ArgumentParser) -> None:
    _store(parser)
    parser.add_argument("ids", metavar="ID", nargs="+", type=values.text)
    parser.add_argument("--title", metavar="TITLE", type=values.text)
    parser.add_argument("--description", metavar="TEXT", type=values.text)
    parser.add_argument("--priority", metavar="N", type=values.whole, help="lower runs first")
    parser.add_argument("--tag", metavar="T", type=values.text, action="append", help="in place of all tags; '': none")
    # Not there unless given: null is a value.
    parser.add_argument(
        "--data", metavar="JSON", type=values.json_value, default=SUPPRESS, help="the input of its work"
    )
    parser.add_argument("--max-attempts", metavar="N", type=values.count, help="how often it is tried")
    later = "+2h, tomorrow 9am, 17:00 or ISO 8601, in UTC; '': at once"
    parser.add_argument("--not-before", metavar="WHEN", type=values.text, help=later)
    needs = "in place of all tasks it depends on; '': none"
    parser.add_argument("--depends-on", metavar="ID", type=values.text, action="append", help=needs)
    parser.add_argument("--note", metavar="TEXT", type=values.text, help="why, for the audit log")
    parser.add_argument("--expect", metavar="VERSION", type=values.text, help="only if its version is still this one")
    _actor(parser)


def _list(parser: ArgumentParser) -> None:
    _store(parser)
    _query(parser)
    parser.add_argument("--limit", metavar="N", type=values.count, help="at most so many tasks (all)")


def _counts(parser: ArgumentParser) -> None:
    _store(parser)
    _query(parser)


def _show(parser: ArgumentParser) -> None:
    _store(parser)
    parser.add_argument("id", metavar="ID", type=values.text)


def _acting(parser: ArgumentParser, ids: str = "+") -> None:
    _store(parser)
    parser.add_argument("ids", metavar="ID", nargs=ids, type=values.text)
    parser.add_argument("--note", metavar="TEXT", type=values.text, help="why, for the audit log")
    parser.add_argument("--expect", metavar="VERSION", type=values.text, help="only if its version is still this one")
    _actor(parser)


def _submitting(parser: ArgumentParser) -> None:
    _acting(parser)
    parser.add_argument("--result", metavar="JSON", type=values.json_value, help="the result of its work")


def _releasing(parser: ArgumentParser) -> None:
    _acting(parser, ids="*")
    parser.add_argument("--overdue", action="store_true", help="in place of IDs: every task whose lease has run out")


def _pause(parser: ArgumentParser) -> None:
    _store(parser)
    _query(parser, "only what matches this: tag:x priority<3 … (everything)")
    parser.add_argument("--note", metavar="TEXT", type=values.text, help="why, for the audit log and the header")
    _actor(parser)


def _resume(parser: ArgumentParser) -> None:
    _store(parser)
    _query(parser, "what was paused, as it was typed then (everything)")
    parser.add_argument("--all", action="store_true", help="end every pause")
    parser.add_argument("--note", metavar="TEXT", type=values.text, help="why, for the audit log")
    _actor(parser)


def _log(parser: ArgumentParser) -> None:
    _store(parser)
    parser.add_argument("id", metavar="ID", nargs="?", default=None, type=values.text, help="of one task (all)")
    parser.add_argument("--follow", action="store_true", help="go on as events are committed, until ctrl+c")
    parser.add_argument("--after", metavar="SEQ", type=values.count, default=0, help="events after this number only")


def _output(parser: ArgumentParser) -> None:
    _show(parser)
    parser.add_argument("--attempt", metavar="N", type=values.number, help="only of one, counted from 1 (all)")
    parser.add_argument("--follow", action="store_true", help="go on as more is said, until ctrl+c")


def _replay(parser: ArgumentParser) -> None:
    _store(parser)
    parser.add_argument("id", metavar="ID", nargs="?", default=None, type=values.text, help="one task (all)")
    when = f"an event's number, or {_MOMENT}"
    parser.add_argument("--at", metavar="WHEN", type=values.term, help=f"what was then: {when}")
    parser.add_argument("--from", dest="begins", metavar="WHEN", type=values.term, help="the events from then on")
    parser.add_argument("--to", dest="ends", metavar="WHEN", type=values.term, help="the events up to then")
    parser.add_argument("--why", action="store_true", help="only why the task is where it is, in sentences")
    parser.add_argument("--markdown", action="store_true", help="the task's story as a document, with all it holds")


def _stats(parser: ArgumentParser) -> None:
    _store(parser)
    _query(parser, "only of tasks that match this now, as list finds them, whatever they were like then (all)")
    parser.add_argument("--from", dest="begins", metavar="T", type=values.term, help=f"{_MOMENT} (the first event)")
    parser.add_argument(
        "--to",
        dest="ends",
        metavar="T",
        type=values.term,
        help="likewise (now where --from is given, else the last event)",
    )


def _verify(parser: ArgumentParser) -> None:
    _store(parser)
    parser.add_argument(
        "--anchor",
        metavar="FILE",
        type=values.text,
        help="check the hashes noted there, then note the last one; made where it is missing",
    )


def _export(parser: ArgumentParser) -> None:
    _store(parser)
    _query(parser, "only the tasks that match this now, as list finds them, with all their events (all)")
    parser.add_argument(
        "--bundle", metavar="FILE", type=values.term, required=True, help="the file to make; nothing may be there yet"
    )
    _actor(parser)


def _run(parser: ArgumentParser) -> None:
    _store(parser)
    _query(parser, "only the tasks that match this: tag:x priority<3 … (all)")
    parser.add_argument("--handlers", metavar="MODULE:OBJECT", type=values.term, help="execute, verify and start in it")
    parser.add_argument("--exec", dest="command", metavar="COMMAND", help="a shell command: the task as JSON on stdin")
    parser.add_argument("--once", action="store_true", help="end after one task")
    parser.add_argument("--until-empty", action="store_true", help="end when nothing is left to start")
    parser.add_argument("--jobs", metavar="N", type=values.number, default=1, help="so many at a time (%(default)s)")
    prefetch = "claim so many for each, and commit what comes of them together (%(default)s)"
    parser.add_argument("--prefetch", metavar="N", type=values.number, default=1, help=prefetch)
    parser.add_argument("--processes", action="store_true", help="each in a process of its own, not in a thread")
    for name, default, meaning in (
        ("--lease", 60.0, "a task is held so long without a sign of life (60)"),
        ("--time-limit", None, "a task is given up after so long (never)"),
        ("--backoff", 5.0, "a task that failed waits so long, and twice as long each time (5)"),
        ("--grace", 30.0, "when stopped, how long to wait for what is under way (30)"),
    ):
        kind = values.pause if name == "--backoff" else values.seconds
        parser.add_argument(name, metavar="SECONDS", type=kind, default=default, help=meaning)
    parser.add_argument("--actor", metavar="NAME", type=values.text, help="who you are ($TASKDECK_ACTOR, the worker)")


def _metrics(parser: ArgumentParser) -> None:
    _store(parser)
    parser.add_argument("--listen", metavar="HOST:PORT", type=values.place, help="answer whoever asks, until ctrl+c")
    parser.add_argument("--file", metavar="PATH", type=values.text, help="write them there, whole, and end")


def _mcp(parser: ArgumentParser) -> None:
    _store(parser)
    parser.add_argument("--http", metavar="HOST:PORT", type=values.place, help="over HTTP (standard input and output)")
    token = "with --http: a file that holds the token clients bring ($TASKDECK_MCP_TOKEN); needed beyond this machine"
    parser.add_argument("--token-file", metavar="PATH", type=values.text, help=token)
    parser.add_argument("--read-only", action="store_true", help="offer nothing that changes a task")


def _backup(parser: ArgumentParser) -> None:
    _store(parser)
    parser.add_argument("target", metavar="TARGET", help="where to put the copy; nothing may be there yet")


def _restore(parser: ArgumentParser) -> None:
    parser.add_argument("backup", metavar="BACKUP", help="what taskdeck backup has made")
    _store(parser)


def _recover(parser: ArgumentParser) -> None:
    _store(parser)
    parser.add_argument("target", metavar="TARGET", help="where to make the new store; nothing may be there yet")


def _convert(parser: ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="any store")
    parser.add_argument("target", metavar="TARGET", help="a new .json or .db file; with --into, any store")
    parser.add_argument("--into", action="store_true", help="add the tasks to what is there")
    parser.add_argument("--dry-run", action="store_true", help="write nothing; tell what would be written")
    _actor(parser)
    _json(parser)


def _completion(parser: ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))
    _json(parser)


def _store(parser: ArgumentParser) -> None:
    parser.add_argument("store", metavar="STORE", help="a .json or .db file")
    _json(parser)


def _info(parser: ArgumentParser) -> None:
    _store(parser)


def _query(parser: ArgumentParser, meaning: str = "state:review tag:x age>1h -tag:y …") -> None:
    parser.add_argument("query", metavar="QUERY", nargs="*", default=[], type=values.term, help=meaning)


def _actor(parser: ArgumentParser) -> None:
    parser.add_argument("--actor", metavar="NAME", type=values.text, help="who you are ($TASKDECK_ACTOR, login name)")


def _json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="JSON for programs")


MOVES = tuple(rule.action for rule in TABLE if rule.sources and rule.target is not None)
"""The actions that move a task which is there, each a command of its own name."""


def _move(action: Action) -> Form:
    rule = RULES[action]
    sources = ", ".join(said(state) for state in rule.sources)
    note = "; --note is required" if rule.note_required else ""
    fill = _releasing if action is Action.RELEASE else _submitting if "result" in rule.takes else _acting
    return Form(f"{rule.summary} (from {sources}{note})", fill)


FORMS: Mapping[str, Form] = {
    BOARD: Form("open the board", _board),
    "demo": Form("open the board on a generated store that keeps moving", _demo),
    "init": Form("make an empty store", _init),
    Action.ADD.value: Form(RULES[Action.ADD].summary, _add),
    Action.EDIT.value: Form(RULES[Action.EDIT].summary, _edit),
    "list": Form("list tasks", _list, asks=True),
    "counts": Form("count the tasks of each state", _counts, asks=True),
    "show": Form("show all of one task", _show),
    "info": Form("tell what kind of store it is, what its words mean, and what it cannot hold", _info),
    **{action.value: _move(action) for action in MOVES},
    STEP: Form("the next forward action of each task's state", _acting),
    "pause": Form("have workers claim nothing, or nothing that matches; --note is required", _pause, asks=True),
    "resume": Form("end a pause", _resume, asks=True),
    "log": Form("show the audit log", _log),
    "output": Form("show what was printed and logged in a task's attempts", _output),
    "replay": Form("go back: the board or a task as it was, events between, a task's story", _replay, asks=True),
    "stats": Form("measure what the audit log tells: throughput, times, attempts, failures, actors", _stats, asks=True),
    "verify": Form("check the audit log's chain of hashes, and the tasks against their events", _verify),
    "metrics": Form("tell a monitoring system about the store, in the text format of Prometheus", _metrics),
    "mcp": Form("serve the store to agents and other clients, over the Model Context Protocol", _mcp),
    "run": Form("work on the tasks of the queue, with handlers in Python or a shell command", _run, asks=True),
    "export": Form(
        "put tasks and their events into one file, to be verified and replayed anywhere", _export, asks=True
    ),
    "backup": Form("copy a store, while others go on using it, and check the copy", _backup),
    "restore": Form("check a backup, then put it in the place of a store, of which a copy is kept", _restore),
    "recover": Form("make a new store of what can be read of a damaged one", _recover),
    "convert": Form("put the tasks of a store into another one, of any kind, with their history", _convert),
    "completion": Form("print a script that completes taskdeck in a shell", _completion),
}
"""All commands by name."""
