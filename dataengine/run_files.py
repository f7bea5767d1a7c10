"""Names of the files at the top of a run directory."""

RUN_FILE = "run.json"
"""What the run is: its pipeline's digest and identity, its manifest, its slices."""
PIPELINE_FILE = "pipeline.yaml"
"""The pipeline as resolved."""
SUMMARY_FILE = "summary.json"
"""The numbers at its end."""
