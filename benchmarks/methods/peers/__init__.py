"""Transfer methods of others, each a sampler for Optuna that ``build(studies, seed)`` returns.

A module imports its package when a sampler is built, and raises ``Unsupported`` with the reason
where that is missing or cannot serve the search space. Install ``torch==2.13.0`` first for a build
without CUDA, then ``pip install -c constraints.txt -e '.[benchmarks,peers]'``.
"""
