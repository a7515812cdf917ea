"""Tasks stepped by hand on the board: what runs, what it says, and the outcome that is held."""
