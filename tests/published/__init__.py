"""The names that AutoGraph publishes, and what became of those of the last release.

Programs, dashboards, searches and scripts of others use these names, so that a release may add names and not take any
away. ``python -m tests.published`` writes those of this checkout as JSON; ``0.N.0.json`` beside this
file has the last release's (docs/upgrades.md, "Cutting a release").
"""
