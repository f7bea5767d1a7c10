"""The loop: rounds of label → pack → train → evaluate → promote, as a state machine on disk."""
