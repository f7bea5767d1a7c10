"""Flow matching: path, prediction, loss and solvers, each apart and each testable on a known flow."""
