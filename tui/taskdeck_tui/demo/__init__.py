"""The demo: a believable store of an agent team's work, and the team that keeps it moving."""
