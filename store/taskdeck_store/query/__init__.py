"""The filter language: one parsed form, the same for the board, the command line and every store."""
