"""How good labels and separators are: metrics, truth, thresholds chosen by it."""
