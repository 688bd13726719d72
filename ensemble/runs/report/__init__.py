"""A finished run as a page to look at: collect a dict, then render it."""
