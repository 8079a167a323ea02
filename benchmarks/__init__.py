"""The budgets of the design, measured: `cold` and `warm` by the clock, `layers` in bytes, `count` in instructions.

Each is a command (`python -m benchmarks.cold`) that prints a table and ends with 0 whatever it measured: a noisy
machine must not fail a check. What does fail one is `tests/counted`, which counts instead of timing.
"""
