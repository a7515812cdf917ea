"""The board: five columns of cards in one widget that draws only what changed."""
