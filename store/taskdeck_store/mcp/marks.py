"""What a server of ours says of itself beside the protocol, so that a client knows it without guessing.

Each is a key of `_meta`, which who does not know it does not mind.
"""

from __future__ import annotations

FEED_URI = "task://changes"
FEED_KEY = "taskdeck/feed"
"""Under which key, and with the value 1, the template of a change feed is marked as one. It begins with `FEED_URI`.

Read without `after`, a feed has its cursor of now as `next`. Read with the `next` of before as `after`, it has all
`tasks` that were changed or added since, as the queue has them, and the ids of those that were taken away as `gone`.
It may have, as `events`, those of its log that led there, as ``task://{id}/log`` has them: of a task all or none.
`total` counts the tasks of the queue. Where `complete` is false not all is told, and the queue is to be read anew.
"""

ACTOR_KEY = "taskdeck/actor"
"""Under which key, and with the value 1, a tool is marked that takes under the same key of a call's `_meta` who asks.

That is a name, and a claim; it is on record behind the client's own, as in ``mcp:taskdeck/alice``.
"""
