"""A copy and its parent: what was changed, what each change is worth, and bringing both together.

Imported by ui.comparison and ui.portfolio.
"""
