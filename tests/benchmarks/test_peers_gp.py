import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel
from sklearn.gaussian_process.kernels import Matern
from sklearn.gaussian_process.kernels import WhiteKernel

from benchmarks.methods.peers import gp as module
from benchmarks.methods.peers.gp import condition
from benchmarks.methods.peers.gp import expected_improvement
from benchmarks.methods.peers.gp import fit_gp
from benchmarks.methods.peers.gp import Hyperparameters


HYPERPARAMETERS = Hyperparameters(np.array([0.3, 0.8, 1.5]), 1.4, 0.05)
NUMBERS = np.zeros(3, dtype=bool)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.random((12, 3))
    return X, np.sin(5 * X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(12), rng.random((7, 3))


def test_the_posterior_is_scikit_learns(data):
    X, y, new = data
    scales, signal, noise = HYPERPARAMETERS
    kernel = ConstantKernel(signal) * Matern(scales, nu=2.5) + WhiteKernel(noise)
    reference = GaussianProcessRegressor(kernel, optimizer=None).fit(X, y - y.mean())
    mean, std = reference.predict(new, return_std=True)
    own_mean, own_std = condition(X, y, NUMBERS, HYPERPARAMETERS).predict(new)
    assert own_mean == pytest.approx(mean + y.mean())
    assert own_std**2 == pytest.approx(std**2 - noise)  # of the function, not of an observation


def test_a_category_is_a_distance_of_one(data):
    X, y, _ = data
    codes = np.floor(3 * X)
    one_hot = np.hstack([(codes == c) / np.sqrt(2.0) for c in range(3)])  # two columns differ
    scales, signal, noise = HYPERPARAMETERS
    wide = Hyperparameters(np.tile(scales, 3), signal, noise)
    by_codes = condition(codes, y, ~NUMBERS, HYPERPARAMETERS).predict(codes[:4])
    by_columns = condition(one_hot, y, np.zeros(9, bool), wide).predict(one_hot[:4])
    np.testing.assert_allclose(by_codes, by_columns)


def test_left_out_is_what_the_others_say(data):
    X, y, _ = data
    y = y - y.mean()  # each GP subtracts a mean: here it is 0 for all of them
    left_out = condition(X, y, NUMBERS, HYPERPARAMETERS).left_out()
    scales, signal, noise = HYPERPARAMETERS
    kernel = ConstantKernel(signal) * Matern(scales, nu=2.5) + WhiteKernel(noise)
    for i in range(len(y)):
        rest = np.arange(len(y)) != i
        others = GaussianProcessRegressor(kernel, optimizer=None).fit(X[rest], y[rest])
        assert left_out[i] == pytest.approx(others.predict(X[[i]])[0])


def test_the_gradient_is_that_of_the_loss(data):
    X, y, _ = data
    categorical = np.array([False, False, True])
    X = np.column_stack([X[:, :2], np.floor(3 * X[:, 2])])
    distances = np.stack([module._distances(X, X, i, categorical[i]) for i in range(3)])
    theta = np.array([-0.5, 0.2, 0.4, 0.3, -2.0])
    numeric = approx_fprime(theta, lambda t: module._loss(t, distances, y)[0], 1e-6)
    np.testing.assert_allclose(module._loss(theta, distances, y)[1], numeric, rtol=1e-3, atol=1e-3)


def test_fitting_finds_which_parameter_matters():
    X = np.random.default_rng(0).random((30, 2))
    scales = fit_gp(X, np.sin(8 * X[:, 0]), np.zeros(2, bool)).hyperparameters.scales
    assert scales[1] > 3 * scales[0]


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_observation_is_no_error(n):
    gp = fit_gp(np.full((n, 2), 0.5), np.full(n, 3.0), np.zeros(2, bool))
    mean, std = gp.predict(np.array([[0.5, 0.5], [0.0, 1.0]]))
    assert mean == pytest.approx(3.0 * n)
    assert (std > 0).all()


def test_expected_improvement_is_the_mean_of_improvements():
    mean, std = np.array([0.3, -1.0]), np.array([0.5, 2.0])
    draws = mean + std * np.random.default_rng(0).standard_normal((400_000, 2))
    improvement = np.maximum(0.1 - draws, 0.0).mean(axis=0)
    np.testing.assert_allclose(expected_improvement(mean, std, 0.1), improvement, rtol=0.02)
