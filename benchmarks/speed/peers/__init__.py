"""The ways to train several networks, each used as a good user of it would.

A module of this folder has `train(case, setup) -> Work`, `differs(case) -> str` (what
of its work is not the case's; empty where all is), and `PACKAGES` whose versions count.
"""
