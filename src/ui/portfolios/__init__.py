"""The page of all portfolios. Imported by pages/ and ui.portfolio."""
