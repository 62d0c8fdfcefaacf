"""Transfer methods of others, each a sampler for Optuna; one file a peer.

A module imports its package when a sampler is built, and raises ``Unsupported`` with the reason
where that package is missing or cannot serve the search space::

    pip install torch==2.13.0  # first, for a build without CUDA
    pip install -c constraints.txt -e '.[benchmarks,peers]'

``python -m benchmarks.methods`` lists them and what is installed. Common to them are ``planned``,
the sampler around what plans configurations, ``space`` and, for two of them, ``gp``.
"""
