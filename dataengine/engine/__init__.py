"""The engine: turns units into parts, and parts into samples and shards. It knows no model."""
