"""Tasks in Minna Memory: a SQLite file of memories, each an entity, an attribute and a value, with a confidence.

How it is used is documented (https://github.com/fbratten/8me-showcase: docs/concepts/minna-memory.md,
docs/concepts/state-management.md, labs/12-memory.md; https://github.com/fbratten/spine-showcase:
docs/minna-memory-integration.md); its tables are published nowhere, and are read from each file.

A task is an entity ``task:…``. A memory is never changed: to store another value is another row, and the newest row of
an attribute is its value. So a transition is some rows more, and what was before stays to be read.
"""
