"""Training data: a sample is a pure function of the seed and its position.

`drawing` makes a sample's random choices, without reading anything; `rendering` reads the sounds and makes
what was drawn; `mixing`, `layout` and `span_prompts` are functions on arrays; `shards` reads tars by index.
"""
