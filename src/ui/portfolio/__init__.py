"""The page of one portfolio: positions, edit, import, export, change history, signals. Imported by pages/."""
