"""The separator: codec, conditions, DiT, flow matching.

The parts are apart, and each can be read alone: `codec/` turns sound into latents and back, `conditions/`
is what the network is told, `dit.py` is the network, `flow/` the theory it is trained and sampled by,
`model.py` where network and theory meet. `docs/trainer.md` has the diagram and the formulas.
"""
