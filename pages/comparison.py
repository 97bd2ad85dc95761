"""Comparison: two portfolios side by side, and more beside them."""

from src.ui.comparison import page
from src.ui.portfolios import listing
from src.ui.reads import queries

live = queries.known()
page.show(listing.load(), live)
