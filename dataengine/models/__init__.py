"""Models by role: one protocol per role, one file per adapter. Knows nothing of the engine."""
