"""The tools of a served store: every action of the transition table, and what an agent needs besides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from msgspec import UNSET, Struct
from msgspec.structs import asdict

from taskdeck_store import clock
from taskdeck_store.claiming import candidates
from taskdeck_store.contract import Claiming, Order, Outcome, Store
from taskdeck_store.machine import TABLE, Code, Command, Refusal, Rule, command, missing, new_operation, said
from taskdeck_store.mcp.serving import inputs, pages
from taskdeck_store.mcp.serving.desk import Desk
from taskdeck_store.mcp.serving.reviews import Verdict
from taskdeck_store.mcp.serving.shapes import BRIEF, Shown, ShownEvent, flat_schema, shown, shown_event
from taskdeck_store.moments import parse_moment
from taskdeck_store.pausing import query_of
from taskdeck_store.query.match import matches
from taskdeck_store.query.parse import parse
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.reach import new_ids
from taskdeck_store.validity import TITLE_LIMIT
from taskdeck_store.values import Action, Json, State, Time

_PAGE = 100


class Refused(Exception):
    """A tool that did nothing: the reason, for programs and in a line for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Call(Struct, frozen=True):
    """One call of a tool: whom it is from, who reads and who commits for it.

    `awaits` waits for the verdict about a task, after a seq if one is given, for some seconds.
    """

    actor: str
    reads: Desk
    commits: Desk
    awaits: Callable[[str, int | None, float], Awaitable[Verdict]]


class Done(Struct, frozen=True, kw_only=True):
    """What was done: the task as it is now, and the event that is on record of it.

    `seq` is that event's, for wait_for_review; of several events, the last one's. `repeated` says that the same
    operation was done before.
    """

    task: Shown
    event: ShownEvent
    seq: int
    repeated: bool = False


class Claimed(Struct, frozen=True, kw_only=True):
    """What was claimed. `next_due` is when the next pending task that matches becomes due; null: none will by time."""

    tasks: tuple[Shown, ...]
    next_due: Time | None


class Next(Struct, frozen=True, kw_only=True):
    """The task that would be claimed next; null: there is none."""

    task: Shown | None


class Whole(Struct, frozen=True, kw_only=True):
    """A task with all it holds."""

    task: Shown


Does: TypeAlias = Callable[[Call, Any], Awaitable[Struct]]


class Tool(Struct, frozen=True, kw_only=True):
    """A tool: what it takes and returns, as types, and what does it."""

    name: str
    title: str
    about: str
    takes: type[Struct]
    returns: type[Struct]
    does: Does
    changes: bool = True
    destroys: bool = False

    def input_schema(self) -> dict[str, Json]:
        """Return the JSON Schema of what it takes."""
        return inputs.schema_of(self.takes)

    def output_schema(self) -> dict[str, Json]:
        """Return the JSON Schema of what it returns."""
        return flat_schema(self.returns)


def _acts(rule: Rule) -> Does:
    async def act(call: Call, asked: Struct) -> Done:
        given = asdict(asked)
        fields = {name: given[name] for name in rule.takes if given[name] is not UNSET}
        for name in inputs.MOMENTS:
            if fields.get(name) is not None:
                fields[name] = _moment(name, fields[name])
        is_new = rule.action is Action.ADD
        task_id = given["task_id"] if not is_new else await _new_id(call) if given["id"] is UNSET else given["id"]
        expect = None if is_new else given["expect"]
        asked_for = command(
            task_id,
            rule.action,
            actor=call.actor,
            note=given["note"],
            expect=expect,
            operation=given["operation"] or None,
            **fields,
        )
        return await _done(call, asked_for)

    return act


async def _claim(call: Call, asked: inputs.ClaimInput) -> Claimed:
    query = _query(asked.query, call.actor)
    claiming = Claiming(
        owner=asked.owner or call.actor,
        actor=call.actor,
        seconds=asked.lease_seconds,
        query=query,
        limit=asked.limit,
    )

    def claim(store: Store) -> Claimed:
        _refuse_read_only(store)
        outcomes = store.claim(claiming)
        tasks = tuple(shown(outcome.task) for outcome in outcomes if outcome.task is not None and outcome.event)
        return Claimed(tasks=tasks, next_due=None if tasks else store.next_due(clock.utc_now(), query))

    return await call.commits.ask(claim)


async def _list(call: Call, asked: inputs.ListInput) -> pages.Page:
    query = _query(asked.query, call.actor)
    states = tuple(State) if asked.state is None else (asked.state,)

    def read(store: Store) -> pages.Page:
        return pages.page(store, states, query, after=asked.after, limit=asked.limit, most=BRIEF)

    return await call.reads.ask(read)


async def _show(call: Call, asked: inputs.ShowInput) -> Whole:
    task = await call.reads.ask(lambda store: store.get(asked.task_id))
    if task is None:
        raise _refused(missing(asked.task_id))
    return Whole(task=shown(task, None))


async def _log(call: Call, asked: inputs.LogInput) -> pages.Log:
    def read(store: Store) -> pages.Log:
        found = pages.log(store, asked.task_id, after=asked.after, limit=asked.limit, most=BRIEF)
        if not found.events and asked.task_id is not None and store.get(asked.task_id) is None:
            raise _refused(missing(asked.task_id))
        return found

    return await call.reads.ask(read)


async def _wait(call: Call, asked: inputs.WaitInput) -> Verdict:
    return await call.awaits(asked.task_id, asked.after, asked.timeout)


async def _seed_add(call: Call, asked: inputs.SeedAddInput) -> Done:
    lines = asked.description.strip().splitlines()
    title = lines[0].strip()[:TITLE_LIMIT] if lines else ""
    fields: dict[str, Json] = {"title": title}
    plain = inputs.SeedAddInput(description="")
    # What a task is without a word need not be said, and not every store could keep it.
    fields |= {
        name: value for name in ("priority", "max_attempts") if (value := getattr(asked, name)) != getattr(plain, name)
    }
    if title != asked.description:
        fields["description"] = asked.description
    return await _done(call, command(await _new_id(call), Action.ADD, actor=call.actor, **fields))


async def _seed_start(call: Call, asked: inputs.SeedStartInput) -> Done:
    return await _done(call, command(asked.task_id, Action.START, actor=call.actor))


async def _seed_complete(call: Call, asked: inputs.SeedCompleteInput) -> Done:
    group = new_operation()
    submit = command(asked.task_id, Action.SUBMIT, actor=call.actor, group=group, result=asked.result)
    note = "completed without a review"
    approve = command(asked.task_id, Action.APPROVE, actor=call.actor, group=group, note=note)
    return await _done(call, submit, approve)


async def _seed_fail(call: Call, asked: inputs.SeedFailInput) -> Done:
    return await _done(
        call, command(asked.task_id, Action.FAIL, actor=call.actor, note=asked.reason, error=asked.reason)
    )


async def _seed_retry(call: Call, asked: inputs.SeedRetryInput) -> Done:
    task = await call.reads.ask(lambda store: store.get(asked.task_id))
    action = Action.REJECT if task is not None and task.state is State.REVIEW else Action.RETRY
    return await _done(call, command(asked.task_id, action, actor=call.actor, note=asked.feedback or None))


async def _seed_next(call: Call, asked: inputs.NoInput) -> Next:
    def read(store: Store) -> Next:
        with store.reading():
            paused = [query_of(pause) for pause in store.pauses()]
            now = clock.utc_now()
            ready = candidates(Claiming(owner=call.actor, actor=call.actor, seconds=1.0))
            start = 0
            while True:
                cards = store.window(State.PENDING, Order.PRIORITY, start=start, limit=_PAGE, query=ready).cards
                for card in cards:
                    task = store.get(card.id)
                    if task is not None and not any(matches(query, task, now) for query in paused):
                        return Next(task=shown(task))
                if len(cards) < _PAGE:
                    return Next(task=None)
                start += _PAGE

    return await call.reads.ask(read)


async def _new_id(call: Call) -> str:
    return await call.commits.ask(lambda store: next(new_ids(store.limits)))


async def _done(call: Call, *commands: Command) -> Done:
    """Carry out commands for one task, all or none. Raises Refused, and StoreError."""

    def apply(store: Store) -> tuple[Outcome, ...]:
        return store.apply(commands, whole=True)

    outcomes = await call.commits.ask(apply)
    for outcome in outcomes:
        if outcome.refusal is not None:
            raise _refused(outcome.refusal, outcome)
    last = outcomes[-1]
    if last.event is None or last.task is None:
        raise Refused("internal", f"{commands[0].task_id}: nothing is on record of what was asked")
    return Done(task=shown(last.task), event=shown_event(last.event), seq=last.event.seq, repeated=last.repeated)


def _refused(refusal: Refusal, outcome: Outcome | None = None) -> Refused:
    task = outcome.task if outcome is not None else None
    if refusal.code is Code.CONFLICT and task is not None:
        return Refused(refusal.code, f"{refusal.message} (its version is now {task.version})")
    return Refused(refusal.code, refusal.message)


def _refuse_read_only(store: Store) -> None:
    if store.read_only:
        why = f" ({store.limits.read_only})" if store.limits.read_only else ""
        raise Refused(Code.READ_ONLY, f"{store.address} is open read-only{why}; nothing was changed")


def _query(text: str, actor: str) -> Query:
    try:
        return parse(text, me=actor) if text.strip() else EVERYTHING
    except ValueError as error:
        raise Refused(Code.INVALID, f"query: {error}") from None


def _moment(name: str, text: str) -> Time:
    try:
        return parse_moment(text, clock.utc_now(), ahead=True)
    except ValueError as error:
        raise Refused(Code.INVALID, f"{name}: {error}") from None


def _from(rule: Rule) -> str:
    if not rule.sources:
        return ""
    sources = "any state" if len(rule.sources) == len(State) else " or ".join(map(said, rule.sources))
    return f" From {sources} to {said(rule.target)}." if rule.target is not None else f" In {sources}."


def _action(rule: Rule) -> Tool:
    again = " Its attempts go up by one." if rule.again else ""
    note = " A note that says why is required." if rule.note_required else ""
    about = f"{rule.summary[0].upper()}{rule.summary[1:]}.{_from(rule)}{again}{note}"
    return Tool(
        name=rule.action,
        title=f"{rule.action.title()} a task",
        about=about,
        takes=inputs.input_of(rule),
        returns=Done,
        does=_acts(rule),
        destroys=rule.target is State.FAILED,
    )


_LIST = Tool(
    name="list",
    title="List tasks",
    about="List tasks in the order of the board: by state, then in the order they are to run. Long values are cut off.",
    takes=inputs.ListInput,
    returns=pages.Page,
    does=_list,
    changes=False,
)
_SHOW = Tool(
    name="show",
    title="Show a task",
    about="Show all of one task.",
    takes=inputs.ShowInput,
    returns=Whole,
    does=_show,
    changes=False,
)
_LOG = Tool(
    name="log",
    title="Read the audit log",
    about="Tell what happened to a task, or to all: who did what, when and why. Names are claims.",
    takes=inputs.LogInput,
    returns=pages.Log,
    does=_log,
    changes=False,
)
_WAIT = Tool(
    name="wait_for_review",
    title="Wait for the verdict",
    about=(
        "Wait until a task that was handed in is approved, rejected or failed, and return the verdict with its note. "
        "Returns 'waiting' after `timeout` seconds: call it again."
    ),
    takes=inputs.WaitInput,
    returns=Verdict,
    does=_wait,
    changes=False,
)
_CLAIM = Tool(
    name="claim",
    title="Claim the next task",
    about=(
        "Take the next pending tasks that are due, neither blocked nor paused, and start them, all in one commit: "
        "of two that claim at once, each gets other tasks. Returns none where there is nothing to do now. "
        "What is too long is left out and named in `cut`: show has it whole."
    ),
    takes=inputs.ClaimInput,
    returns=Claimed,
    does=_claim,
)


def _seed(name: str, title: str, about: str, takes: type[Struct], does: Does, returns: type[Struct] = Done) -> Tool:
    return Tool(
        name=name,
        title=title,
        about=about,
        takes=takes,
        returns=returns,
        does=does,
        changes=returns is Done,
        destroys=name == "fail_task",
    )


_SEED = (
    _seed("add_task", "Add a task", "Put a new task in the queue, by its description.", inputs.SeedAddInput, _seed_add),
    _seed("start_task", "Start a task", "Begin a pending task; the same as start.", inputs.SeedStartInput, _seed_start),
    _seed(
        "complete_task",
        "Complete a task",
        "Complete a task in progress with its result at once, without a review. With one: submit, wait_for_review.",
        inputs.SeedCompleteInput,
        _seed_complete,
    ),
    _seed(
        "fail_task",
        "Fail a task",
        "Give a task up, with the reason; the same as fail.",
        inputs.SeedFailInput,
        _seed_fail,
    ),
    _seed(
        "retry_task",
        "Retry a task",
        "Put a failed task, or one in review, back in the queue, with feedback. Its attempts go up by one.",
        inputs.SeedRetryInput,
        _seed_retry,
    ),
    _seed(
        "get_next_task",
        "Look at the next task",
        "Return the pending task that is to run next, and leave it where it is; claim takes it.",
        inputs.NoInput,
        _seed_next,
        Next,
    ),
)

TOOLS: Mapping[str, Tool] = {
    tool.name: tool for tool in (_CLAIM, *map(_action, TABLE), _WAIT, _LIST, _SHOW, _LOG, *_SEED)
}
"""All tools by name."""
