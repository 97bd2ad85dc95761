"""HK Strategy. Levels and their order: `[tool.importlinter]` in pyproject.toml, docs/architecture.md."""
