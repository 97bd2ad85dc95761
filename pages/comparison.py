"""Comparison: two portfolios side by side, and more beside them."""

from src.ui import cache, comparison_view, entries

pulse = cache.pulse()
comparison_view.show(entries.load(pulse), pulse)
