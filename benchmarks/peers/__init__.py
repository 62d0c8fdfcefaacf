"""Transfer methods of others, each a sampler for Optuna; one file a peer.

Each module has ``build(prior studies, seed) -> sampler`` and imports its package only there.
"""
