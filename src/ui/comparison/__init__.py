"""The page that shows portfolios side by side. Imported by pages/."""
