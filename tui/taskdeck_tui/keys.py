"""Every key as data: what it is called, what it does, and where it works.

Bindings, hint line, help, palette and the user's keymap are all made from `KEYS`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from msgspec import Struct

from taskdeck_store.machine import RULES, TABLE, said
from taskdeck_store.values import Action, State

if TYPE_CHECKING:
    from textual.binding import Binding

Scope: TypeAlias = Literal[
    "board",
    "task",
    "stepping",
    "past",
    "page",
    "pane",
    "rows",
    "details",
    "held",
    "story",
    "conflict",
    "prompt",
    "confirm",
    "filter",
]
"""Where a key works: on the board; on a task (board and details); there, where there are handlers to step it with; on
the board as it was; on any page over the board; in what scrolls on a page; in a list of rows; or on one page alone."""


class KeySpec(Struct, frozen=True, kw_only=True):
    """One rebindable key.

    `id` names it in the user's keymap; `keys` are the defaults, in Textual's names or as single characters, the first
    being the one that hints show. `action` is the Textual action, `description` the word beside the key, `tooltip` the
    sentence in the help. `shown` puts it in the hint line.
    """

    id: str
    keys: tuple[str, ...]
    action: str
    description: str
    tooltip: str
    group: str
    scopes: tuple[Scope, ...]
    shown: bool = False


ASKS_NOTE = tuple(rule.action for rule in TABLE if rule.note_required or "error" in rule.takes)
"""The actions whose key asks for a note first; where the table requires it, it may not be empty."""


def _act(key: str, action: Action) -> KeySpec:
    rule = RULES[action]
    tooltip = f"{rule.summary}; asks for a note" if action in ASKS_NOTE else rule.summary
    return _key("task", "Act", str(action), key, f"act('{action}')", str(action), tooltip, shown=True)


_STEP = "the next forward action: start, submit or approve"


def _stepping(id: str, keys: str, description: str, tooltip: str, *, shown: bool = False) -> KeySpec:
    return _key("stepping", "Step", id, keys, f"act('{id}')", description, tooltip, shown=shown)


def _held(choice: str, keys: str, description: str, tooltip: str) -> KeySpec:
    return _key("held", "Held", f"held_{choice}", keys, f"decide('{choice}')", description, tooltip, shown=True)


def _jump(key: str, state: State) -> KeySpec:
    word = said(state)
    return _key("board past", "Move", str(state), key, f"column('{state}')", word, f"jump to the column {word}")


def _key(
    scopes: str, group: str, id: str, keys: str, action: str, description: str, tooltip: str, *, shown: bool = False
) -> KeySpec:
    return KeySpec(
        id=id,
        keys=tuple(keys.split(" ")),
        action=action,
        description=description,
        tooltip=tooltip,
        group=group,
        scopes=cast("tuple[Scope, ...]", tuple(scopes.split(" "))),
        shown=shown,
    )


def _past(id: str, keys: str, action: str, description: str, tooltip: str, *, shown: bool = False) -> KeySpec:
    return _key("past", "The past", id, keys, action, description, tooltip, shown=shown)


KEYS: tuple[KeySpec, ...] = (
    _key("task", "Act", "step", "s", "step", "step", f"{_STEP}; with --handlers, the work itself", shown=True),
    _stepping("run_on", "c", "on to review", "claim it and do its work; again, stop after this", shown=True),
    _stepping("run_out", "C", "to the end", "claim, work and verify; again, stop after this", shown=True),
    _stepping("kill", "K", "kill", "kill the step under way; nothing of it is committed", shown=True),
    _stepping("give_back", "D", "give back", "give a claimed task back to the queue; attempts + 1", shown=True),
    _stepping("hold_at", "b", "hold at", "which outcomes to hold before they are committed", shown=True),
    _act("a", Action.APPROVE),
    _act("X", Action.REJECT),
    _act("R", Action.RETRY),
    _act("F", Action.FAIL),
    _key("task past", "Act", "copy", "y", "copy", "copy id", "copy the task's id"),
    _key("task past", "Act", "copy_json", "Y", "copy_json", "copy JSON", "copy the whole task as JSON"),
    _key("board", "Select", "select", "space", "select", "select", "select the task, or let it go", shown=True),
    _key("board", "Select", "range", "v", "range", "range", "select from here to where you move"),
    _key("board", "Select", "all", "*", "select_all", "all", "select exactly the tasks that match the filter"),
    _key("board past rows", "See", "details", "enter", "details", "details", "all of it, and its history", shown=True),
    _key("board", "See", "filter", "/", "filter", "filter", "show only the tasks that match", shown=True),
    _key("board", "See", "log", "L", "log", "audit log", "every event of the store", shown=True),
    _key("board", "See", "travel", "t", "travel", "time travel", "the board at any moment of its past", shown=True),
    _key(
        "task past story", "See", "story", "S", "story", "story", "its attempts, and the time in each state", shown=True
    ),
    _key("task story", "See", "why", "W", "why", "why", "why it is where it is, in sentences", shown=True),
    _key("board", "See", "mine", "@", "mine", "what I did", "my actions, with their outcomes"),
    _key("board", "See", "freeze", "p", "freeze", "freeze", "hold the screen still, or go on"),
    _key("board", "Act", "pause", "P", "pause", "pause", "workers claim nothing that matches the filter, or again"),
    _key("board", "See", "refresh", "r", "refresh", "refresh", "read everything from the store again"),
    _key("board past", "See", "order", "o", "order", "order", "sort by priority, oldest or newest first"),
    _key("board past", "See", "lines", "z", "lines", "lines", "cards of one, two or three lines"),
    _key("board past pane", "Move", "down", "j down", "cursor_down", "down", "the next card or line"),
    _key("board past pane", "Move", "up", "k up", "cursor_up", "up", "the card or line above"),
    _key("board past", "Move", "left", "h left", "cursor_left", "left", "the column to the left"),
    _key("board past", "Move", "right", "l right", "cursor_right", "right", "the column to the right"),
    _key("board past pane", "Move", "page_down", "pagedown ctrl+f", "page_down", "page down", "a screen down"),
    _key("board past pane", "Move", "page_up", "pageup ctrl+b", "page_up", "page up", "a screen up"),
    _key("board past pane", "Move", "top", "g home", "cursor_top", "top", "to the first card or line"),
    _key("board past pane", "Move", "bottom", "G end", "cursor_bottom", "bottom", "to the last card or line"),
    *(_jump(str(number), state) for number, state in enumerate(State, start=1)),
    _past("earlier", ",", "go(-1)", "event back", "the event before", shown=True),
    _past("later", ".", "go(1)", "event on", "the next event", shown=True),
    _past("play", "space", "play", "play", "play the past, or stand still", shown=True),
    _past("to_time", "t", "to_time", "go to", "go to a time (14:05, yesterday 9am, -2h, ISO 8601, #seq)", shown=True),
    _past(
        "seek",
        "/",
        "seek",
        "look for",
        "the next event that meets a filter, task:ID, actor:NAME, action:NAME",
        shown=True,
    ),
    _past("seek_next", "n", "seek_on(1)", "next found", "the next event that meets it"),
    _past("seek_last", "N", "seek_on(-1)", "last found", "the last event before this that meets it"),
    _past("earlier_10", "<", "go(-10)", "10 back", "ten events back"),
    _past("later_10", ">", "go(10)", "10 on", "ten events on"),
    _past("minute_earlier", "[", "go_seconds(-60)", "minute back", "a minute back"),
    _past("minute_later", "]", "go_seconds(60)", "minute on", "a minute on"),
    _past("hour_earlier", "{", "go_seconds(-3600)", "hour back", "an hour back"),
    _past("hour_later", "}", "go_seconds(3600)", "hour on", "an hour on"),
    _past("task_later", "i", "go_task(1)", "this task on", "the next event of the task under the cursor", shown=True),
    _past("task_earlier", "I", "go_task(-1)", "this task back", "the last event before of the task under the cursor"),
    _past("actor_later", "w", "go_actor(1)", "this actor on", "the next event of the same actor"),
    _past("actor_earlier", "W", "go_actor(-1)", "this actor back", "the last event before of the same actor"),
    _past("action_later", "e", "go_action(1)", "this action on", "the next event of the same action"),
    _past("action_earlier", "E", "go_action(-1)", "this action back", "the last event before of the same action"),
    _past("beginning", "^", "beginning", "beginning", "to where nothing has happened yet"),
    _past("last", "$", "end", "end", "to the last event"),
    _past("faster", "+ =", "pace(1)", "faster", "play faster"),
    _past("slower", "-", "pace(-1)", "slower", "play slower"),
    _past("pace", "v", "turn_pace", "pace", "play so many events a second, or so many times as fast as it was"),
    _past("breakpoint", "b", "breakpoint", "stop at", "where to stop a play: state:failed task:ID actor:NAME …"),
    _past("loop_from", "(", "loop_from", "loop from", "play round from here on"),
    _past("loop_to", ")", "loop_to", "loop to", "play round up to here; again, not any more"),
    _past("compare", "c", "compare", "compare", "this moment with another one: c here, c there", shown=True),
    _past("now", "escape q", "back", "now", "back to the board as it is now", shown=True),
    _key(
        "details", "Output", "output", "o", "output", "output", "what was said in its attempts, as it comes", shown=True
    ),
    _key("details", "Output", "attempt_back", "[", "attempt(-1)", "attempt back", "that of the attempt before"),
    _key("details", "Output", "attempt_on", "]", "attempt(1)", "attempt on", "that of the next attempt"),
    _held("commit", "enter", "commit", "commit it as it is"),
    _held("change", "e", "change", "put another result in its place"),
    _held("reject", "X", "reject", "send the task back to the queue instead; asks for a note"),
    _held("throw_away", "d", "throw away", "commit nothing; the task stays claimed, and can be stepped again"),
    _held("give_back", "D", "give back", "commit nothing, and give the task back to the queue"),
    _key("story", "Story", "story_markdown", "y", "copy", "copy Markdown", "copy the story as Markdown", shown=True),
    _key("story", "Story", "story_json", "Y", "copy_json", "copy JSON", "copy the story as JSON", shown=True),
    _key("details", "Move", "next_pane", "tab", "next_pane", "switch", "between fields and history", shown=True),
    _key("conflict", "Conflict", "again", "enter a", "again", "do it again", "on the task as it is now", shown=True),
    _key("conflict", "Conflict", "drop", "d escape", "drop", "drop", "leave the task as it is now", shown=True),
    _key("conflict", "Conflict", "again_all", "A", "again_all", "all again", "again wherever it is legal", shown=True),
    _key("conflict", "Conflict", "drop_all", "D", "drop_all", "drop all", "leave all the others", shown=True),
    _key("conflict", "Conflict", "next", "n right", "turn(1)", "next", "the next conflict", shown=True),
    _key("conflict", "Conflict", "previous", "p left", "turn(-1)", "previous", "the conflict before"),
    _key("prompt", "Prompt", "send", "enter", "send", "do it", "do it, with this note", shown=True),
    _key("prompt", "Prompt", "cancel", "escape", "cancel", "cancel", "do nothing", shown=True),
    _key("prompt", "Prompt", "newline", "ctrl+j", "newline", "new line", "a new line in the note", shown=True),
    _key("confirm", "Prompt", "agree", "enter y", "agree", "do it", "do it to all that are listed", shown=True),
    _key("confirm", "Prompt", "decline", "escape n", "decline", "cancel", "do nothing", shown=True),
    _key("filter", "Filter", "complete", "tab", "complete", "complete", "take the suggestion", shown=True),
    _key("filter", "Filter", "next_offer", "down", "offer(1)", "next", "the next suggestion"),
    _key("filter", "Filter", "previous_offer", "up", "offer(-1)", "previous", "the suggestion before"),
    _key("filter", "Filter", "apply", "enter", "submit", "keep", "keep the filter, back to the board", shown=True),
    _key("filter", "Filter", "unfilter", "escape", "cancel", "cancel", "the filter as it was before", shown=True),
    _key(
        "board past", "Taskdeck", "commands", ": ctrl+p", "app.command_palette", "commands", "find any command by name"
    ),
    _key("board past", "Taskdeck", "theme", "T", "app.change_theme", "theme", "choose the colours"),
    _key("board", "Taskdeck", "back", "escape", "back", "back", "let go of range, selection, filter; never quits"),
    _key("page", "Taskdeck", "close", "escape q", "back", "back", "close the page", shown=True),
    _key("board", "Taskdeck", "quit", "q", "app.quit", "quit", "leave Taskdeck"),
    _key("board past page", "Taskdeck", "help", "?", "app.help", "help", "every key, as bound now", shown=True),
)

SCREENS: Mapping[str, tuple[Scope, ...]] = {
    "Board": ("board", "task", "stepping"),
    "Past": ("past",),
    "Details": ("page", "pane", "task", "stepping", "details"),
    "Held": ("page", "pane", "held"),
    "Story": ("page", "pane", "story"),
    "Lists": ("page", "pane", "rows"),
    "Conflict": ("conflict", "pane"),
    "Prompt": ("prompt",),
    "Confirm": ("confirm", "pane"),
    "Filter": ("filter",),
}
"""The scopes whose keys work together on a screen, by its name for people: there, a key can do one thing only."""

DEBUGGING = frozenset({"step", *(spec.id for spec in KEYS if "stepping" in spec.scopes)})
"""The names of the keys that step a task, where there are handlers for it."""

BY_ID: Mapping[str, KeySpec] = {spec.id: spec for spec in KEYS}


def bindings(*scopes: Scope) -> list[Binding]:
    """Return the Textual bindings of some scopes, in the order of `KEYS`."""
    from textual.binding import Binding

    return [
        Binding(
            ",".join(_named(key) for key in spec.keys),
            spec.action,
            spec.description,
            show=spec.shown,
            id=spec.id,
            tooltip=spec.tooltip,
            priority=typed_in(spec),
        )
        for spec in KEYS
        if not set(spec.scopes).isdisjoint(scopes)
    ]


def refusals(action: str = "app.refuse") -> list[Binding]:
    """Return bindings of the keys of all actions on tasks, for where these do nothing: `action` says why."""
    return [
        dataclasses.replace(binding, action=f"{action}('{binding.id}')", show=False)
        for binding in bindings("task")
        if acts(binding)
    ]


def acts(binding: Binding) -> bool:
    """Tell whether a binding is that of an action on tasks."""
    return binding.action.startswith(("act(", "step"))


def typed_in(spec: KeySpec) -> bool:
    """Tell whether a key works where text is typed, so that it cannot be a plain character."""
    return not {"prompt", "filter"}.isdisjoint(spec.scopes)


def _named(key: str) -> str:
    return "comma" if key == "," else key
