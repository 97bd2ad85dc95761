"""The page that shows portfolios side by side."""
