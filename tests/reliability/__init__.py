"""Nothing lost, nothing half done: stores whose writers are killed, cut off from power, and raced by others."""
