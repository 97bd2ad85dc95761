"""The exchange: trading sessions, ticks, lots, fees, from tables with effective dates. For health, sample and ui."""
