"""A reading of which some tasks were read anew: the whole is as if all had been."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from taskdeck_store.contract import StoreError
from taskdeck_store.mcp.client.reading import Reading, id_of, reading_of
from taskdeck_store.source import Sight


def amended(
    before: Reading, texts: Iterable[tuple[str, str]], gone: Iterable[str | int], server: str
) -> Reading | None:
    """Return a reading with the tasks of some texts in place of what they were, and without those that are gone.

    None where that may not be what a reading of all would be: where something is told of the whole, or reads otherwise.
    """
    try:
        some = reading_of(texts, server, replace(before, known={}))
    except StoreError:
        return None
    if before.sight.flaws or some.sight.flaws or some.title != before.title:
        return None
    lost = {id_of(own) for own in gone}
    anew = {task.id: task for task in some.sight.tasks}
    if lost & anew.keys():
        return None
    tasks = [anew.pop(task.id, task) for task in before.sight.tasks if task.id not in lost]
    return replace(
        some,
        sight=Sight(tasks=(*tasks, *anew.values())),
        own={**before.own, **some.own},
        known=before.known,
    )
