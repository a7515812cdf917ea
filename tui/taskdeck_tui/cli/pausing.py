"""The commands that pause and resume the queue."""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing

from taskdeck_store import open_store
from taskdeck_store.contract import Pausing, Store
from taskdeck_store.machine import Code, Refusal, new_operation
from taskdeck_store.pausing import done
from taskdeck_store.values import PAUSED, QUEUE, RESUMED
from taskdeck_tui.cli.actor import actor
from taskdeck_tui.cli.exits import OF_REFUSAL, Exit, UsageError
from taskdeck_tui.cli.outcomes import Told
from taskdeck_tui.cli.output import Output
from taskdeck_tui.cli.reading import asked
from taskdeck_tui.safe import safe


def pause(options: Namespace, output: Output) -> Exit:
    """Have workers claim nothing that matches, until it is resumed."""
    if not (options.note or "").strip():
        raise UsageError("a pause needs a reason; give it with --note TEXT")
    return _switch(options, output, resumes=False, every=False)


def resume(options: Namespace, output: Output) -> Exit:
    """End a pause, or with --all every one."""
    if options.all and options.query:
        raise UsageError("--all ends every pause; leave out the QUERY, or leave out --all")
    return _switch(options, output, resumes=True, every=options.all)


def _switch(options: Namespace, output: Output, *, resumes: bool, every: bool) -> Exit:
    # Read now, so that what is wrong with it is pointed at.
    text = asked(options.query).text
    sender = actor(options.actor)
    with closing(open_store(options.store)) as store:
        texts = [each.query for each in store.pauses()] if every else [text]
        found = [_done(store, each, sender, options.note, resumes=resumes) for each in texts]
        output.mended(store.mended)
    if output.json:
        output.array(found)
    for each in found:
        if each.event is not None and not output.json:
            output.line(f"{safe(done(each.event))}{f': {safe(each.event.note)}' if each.event.note else ''}")
    if not found and not output.json:
        output.line("nothing is paused")
    refusal = next((each.refusal for each in found if each.refusal is not None), None)
    if refusal is None:
        return Exit.DONE
    output.error(refusal.code, refusal.message)
    return OF_REFUSAL[refusal.code]


def _done(store: Store, text: str, sender: str, note: str | None, *, resumes: bool) -> Told:
    pausing = Pausing(query=text, actor=sender, operation=new_operation(), note=note, resumes=resumes)
    found = store.pause(pausing)
    action = RESUMED if resumes else PAUSED
    if not isinstance(found, Refusal):
        return Told(task_id=QUEUE, action=action, applied=True, event=found)
    if found.code is Code.ILLEGAL and resumes:
        found = Refusal(code=found.code, message=f"{found.message}; name it, or end every pause with --all")
    return Told(task_id=QUEUE, action=action, applied=False, refusal=found)
