"""The files that other programs keep tasks in, each format as a source: see `taskdeck_store.source`."""
