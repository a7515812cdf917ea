"""A store made of a place that others own, and of a log of what was seen and done there from this machine."""
