"""Transfer methods of others, each a sampler for Optuna; one file a peer.

``benchmarks.methods.methods`` names them. A module imports its package when a sampler is built, and raises
``Unsupported`` with the reason where that package is missing or cannot serve the search space::

    pip install torch==2.13.0  # first, for a build without CUDA
    pip install -c constraints.txt -e '.[benchmarks,peers]'

``meta-learn-tpe`` needs Optuna 4 and so an environment of its own: see ``benchmarks.methods.peers.hub``.

=====================  ===========  ========================================================
method                 module       what it is
=====================  ===========  ========================================================
rgpe                   rgpe         ranking-weighted GPs, written here
pooled-copula-gp       copula       pooled regression of normal scores, then a GP, written here
cma-es-warm-start      cma          Optuna's CmaEsSampler; numbers without conditions only
syne-quantile          syne         Syne Tune's QuantileBasedSurrogateSearcher (CTS)
syne-zero-shot         syne         Syne Tune's ZeroShotTransfer
syne-bounding-box      syne         Syne Tune's BoundingBox, random search inside
syne-bounding-box-gp   syne         the same with its BoTorch search inside
botorch-multitask      multitask    BoTorch's MultiTaskGP; costly, capped
ax-botl                botl         Ax's BOTL; costly, capped
meta-learn-tpe         hub          OptunaHub's samplers/meta_learn_tpe
=====================  ===========  ========================================================

The shared steps: ``history`` reads studies, ``parameters`` and ``space`` bring their spaces
together, ``planned`` is the sampler around a planner, ``pool`` makes candidates, ``gp`` is a plain
Gaussian process, ``flat`` removes conditions for packages that know none.
"""
