"""The transfer surrogate. Notation, for every module of this package (lower is better, float64):

T       prior tasks
H       components of the target's mixture
D       dimensions of a space, W columns of its design
n       finished trials of one study, M candidate rows
rows    cells of configurations, NaN where a parameter is inactive  (n, D)
X       design: rows as columns that a stationary kernel can read  (n, W)
y       values of the target study, warped to unit spread  (n,)
z_t(x)  posterior mean of prior task t, in normal quantiles of its ranks
Z       z_t(x) at several rows  (M, T)
w       weight of each prior task, sum 1  (T,)
m(x)    weighted mean of z_t(x)
C_t(x)  sqrt(w_t) (z_t(x) - m(x)), the priors' deviations from their mean
"""
