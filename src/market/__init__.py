"""The exchange: sessions, ticks, lots, fees, as tables with effective dates. Imported by health, sample and ui."""
