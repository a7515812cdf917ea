"""A writer process: moves tasks at random until it is told to stop or dies, and tells each commit once it has it.

Arguments: the store, a name, and how many commits to make (0: without end). Each line told is the number of a task,
an operation id and the seq of its event, written in one piece after `apply` has returned.
"""

from __future__ import annotations

import os
import random
import sys

from taskdeck_store import Action, Code, command, kinds, open_store
from taskdeck_store.machine import actions_from

TASKS = 12


def main() -> None:
    kinds._OURS = ("ledgers:WHOLE_KIND", *kinds._OURS)
    address, name, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
    store = open_store(address, patience=60)
    chance = random.Random(name)
    # A format may be known by a task that is there from the beginning.
    ids = sorted(task.id for task in store.tasks())[-TASKS:]
    made = 0
    while not wanted or made < wanted:
        task_id = chance.choice(ids)
        task = store.get(task_id)
        assert task is not None
        action = chance.choice([*(a for a in actions_from(task.state) if a is not Action.APPROVE), Action.EDIT])
        fields = {"title": f"{name} {made}"} if action is Action.EDIT else {}
        asked = command(task_id, action, actor=name, note="why", expect=task.version, **fields)
        (outcome,) = store.apply([asked])
        if outcome.refusal is not None:
            assert outcome.refusal.code in (Code.CONFLICT, Code.ILLEGAL), outcome.refusal
            continue
        assert outcome.event is not None
        os.write(1, f"{task_id} {asked.operation} {outcome.event.seq}\n".encode())
        made += 1


if __name__ == "__main__":
    main()
