"""Transfer methods of others, each a sampler for Optuna that ``build(studies, seed)`` returns.

A module imports its package when a sampler is built, and raises ``Unsupported`` with the reason.
Install them by ``pip install -c constraints.txt -e '.[benchmarks,peers]'``.
"""
