"""Time travel: the board as it was at any moment, and the ways there."""
