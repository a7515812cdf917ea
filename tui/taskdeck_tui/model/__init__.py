"""What the board shows as frozen values, and the pure functions that work out the next of them."""
