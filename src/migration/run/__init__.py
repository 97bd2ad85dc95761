"""The execution of a plan on a live database: locks, the stall probe, steps, and the proof.

Imported by migration.engine.
"""
