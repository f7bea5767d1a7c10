"""Training: from a configuration and shards to checkpoints, resumable to the sample.

`step` is one training step and `loop` what repeats it; `optimisers`, `schedule`, `averaging`, `batches`,
`guard`, `checkpoint` and `distributed` are the pieces, each apart.
"""
