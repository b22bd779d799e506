"""Assignment and transport beside SciPy and POT, and their own examples."""

import unittest

import numpy as np

import onebasin

try:
    import scipy.optimize
except ImportError:
    scipy = None
try:
    import ot
except ImportError:
    ot = None


class Assignment(unittest.TestCase):
    def test_the_example_of_scipys_documentation(self):
        cost = np.array([[4, 1, 3], [2, 0, 5], [3, 2, 2]])
        rows, columns = onebasin.linear_sum_assignment(cost)
        np.testing.assert_array_equal(columns, [1, 0, 2])
        self.assertEqual(cost[rows, columns].sum(), 5)

    def test_the_same_total_as_scipy_on_any_extents(self):
        if scipy is None:
            self.skipTest("SciPy is not installed")
        draw = np.random.default_rng(1)
        for shape in [(1, 1), (5, 5), (40, 40), (3, 5), (5, 3), (7, 60), (60, 7), (30, 1000), (1, 9), (0, 4), (4, 0)]:
            for maximize in (False, True):
                for cost in (draw.normal(size=shape), draw.integers(0, 4, size=shape)):
                    rows, columns = onebasin.linear_sum_assignment(cost, maximize)
                    theirs = scipy.optimize.linear_sum_assignment(cost, maximize)
                    # Of a tall matrix with ties, any rows may be left out.
                    np.testing.assert_array_equal(rows, np.unique(rows))
                    self.assertEqual(len(rows), len(theirs[0]))
                    self.assertEqual(len(set(columns.tolist())), len(columns))
                    self.assertAlmostEqual(cost[rows, columns].sum(), cost[theirs].sum())

    def test_very_wide_costs_that_differ_little(self):
        # Every column is among the best of some row: no column can be left out.
        rows, columns = 12, 130
        cost = np.full((rows, columns), 5.0)
        for row in range(rows):
            cost[row, 11 * row : 11 * row + 12] = np.random.default_rng(row).uniform(0, 1, len(cost[row, 11 * row : 11 * row + 12]))
        found = onebasin.linear_sum_assignment(cost)
        self.assertEqual(len(set(found[1].tolist())), rows)
        if scipy is not None:
            self.assertAlmostEqual(cost[found].sum(), cost[scipy.optimize.linear_sum_assignment(cost)].sum())

    def test_infinite_costs_are_never_taken(self):
        cost = np.array([[np.inf, 1e3], [1.0, 0.0]])
        np.testing.assert_array_equal(onebasin.linear_sum_assignment(cost)[1], [1, 0])
        np.testing.assert_array_equal(onebasin.linear_sum_assignment(-cost, maximize=True)[1], [1, 0])
        with self.assertRaisesRegex(ValueError, "infeasible"):
            onebasin.linear_sum_assignment([[np.inf, 1], [np.inf, 1]])

    def test_what_is_no_cost_matrix_is_refused(self):
        for wrong in ([[np.nan, 1], [1, 1]], [[-np.inf, 1], [1, 1]]):
            with self.assertRaisesRegex(ValueError, "invalid numeric entries"):
                onebasin.linear_sum_assignment(wrong)
        with self.assertRaisesRegex(ValueError, "2-D"):
            onebasin.linear_sum_assignment([1, 2, 3])
        with self.assertRaisesRegex(ValueError, "numerical entries"):
            onebasin.linear_sum_assignment([["a", "b"], ["c", "d"]])


class Transport(unittest.TestCase):
    def test_the_example_of_pots_documentation(self):
        plan = onebasin.emd([0.5, 0.5], [0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]])
        np.testing.assert_array_equal(plan, [[0.5, 0], [0, 0.5]])

    def test_the_same_cost_as_pot_and_potentials_that_prove_it(self):
        draw = np.random.default_rng(2)
        for rows, columns in [(4, 4), (7, 5), (150, 200)]:
            a, b = draw.dirichlet(np.ones(rows)), draw.dirichlet(np.ones(columns))
            cost = draw.uniform(size=(rows, columns))
            for masses in ([], []), (a, b):
                plan, log = onebasin.emd(*masses, cost, log=True)
                np.testing.assert_allclose(plan.sum(axis=1), masses[0] if len(masses[0]) else np.full(rows, 1 / rows))
                self.assertTrue((log["u"][:, None] + log["v"] <= cost + 1e-9).all())
                self.assertAlmostEqual((plan * cost).sum(), log["cost"])
                if ot is not None:
                    theirs, their_log = ot.emd(*masses, cost, log=True)
                    self.assertAlmostEqual(log["cost"], their_log["cost"])
                    self.assertAlmostEqual((theirs * cost).sum(), log["cost"])
                    if rows == columns == 4 and len(masses[0]):
                        np.testing.assert_allclose(log["u"][:, None] + log["v"], their_log["u"][:, None] + their_log["v"], atol=1e-6)

    def test_masses_of_other_sums_are_refused_or_scaled(self):
        with self.assertRaisesRegex(ValueError, "row masses sum to `1`, column masses to `2`"):
            onebasin.emd([0.5, 0.5], [1.0, 1.0], [[0, 1], [1, 0]])
        plan = onebasin.emd([0.5, 0.5], [1.0, 1.0], [[0, 1], [1, 0]], check_marginals=False)
        self.assertEqual(plan.sum(), 1)
        with self.assertRaisesRegex(ValueError, "expected `2` row masses"):
            onebasin.emd([1.0], [0.5, 0.5], [[0, 1], [1, 0]])


if __name__ == "__main__":
    unittest.main()
