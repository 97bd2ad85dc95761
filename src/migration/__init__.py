"""The live migration: preflight/ finds what is in the way, plan/ orders the steps, run/ executes and proves them.

May be imported by health, cli and ui; `engine` is what they use.
"""
