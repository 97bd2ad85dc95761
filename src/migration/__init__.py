"""The live migration: preflight/ finds what is in the way, plan/ orders the steps, run/ executes and proves them.

Use `engine`. Imported by cli, database_enhanced, diagnostics and ui.
"""
