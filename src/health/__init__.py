"""Whether each component is healthy, degraded or down, and what to do. May be imported by cli and ui."""
