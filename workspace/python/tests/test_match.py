"""Matching and merging of dictionaries of NumPy arrays."""

import json
import os
import signal
import tempfile
import threading
import time
import unittest
import warnings

import numpy as np
from networks import forward, perceptron, shuffled

import onebasin


class Matching(unittest.TestCase):
    def setUp(self):
        self.first = perceptron([6, 8, 7, 3], 1)
        self.other, self.orders = shuffled(self.first, 2)
        self.inputs = np.random.default_rng(3).normal(size=(20, 6)).astype(np.float32)

    def test_a_shuffled_copy_is_found(self):
        found = onebasin.match([self.first, self.other], "git-re-basin")
        for order, map_ in zip(self.orders, found.permutations[1].values()):
            self.assertEqual(map_.dtype, np.int64)
            np.testing.assert_array_equal(order[map_], np.arange(len(order)))
        self.assertGreater(found.objective, found.objective_before)
        self.assertLess(found.certificate["duality_gap"], 1e-9)
        self.assertLess(found.function_check["function_error"], 1e-4)
        self.assertEqual(found.network, "a multi-layer perceptron of 3 linear layers")
        self.assertTrue(any("ReLU" in line for line in found.assumed))
        self.assertEqual(found.architecture["classes"], 3)

    def test_applied_models_compute_what_they_did_and_the_merge_of_copies_is_the_model(self):
        found = onebasin.match([self.first, self.other])
        for place, model in enumerate([self.first, self.other]):
            moved = found.apply(place)
            np.testing.assert_allclose(forward(moved, self.inputs), forward(model, self.inputs), rtol=1e-4, atol=1e-4)
            self.assertEqual(list(moved), list(model))
        merged = found.merge()
        np.testing.assert_allclose(forward(merged, self.inputs), forward(self.first, self.inputs), rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(found.apply(-1)["0.bias"], found.apply(1)["0.bias"])

    def test_maps_say_how_a_model_is_applied(self):
        found = onebasin.match([self.first, self.other])
        p, q = list(found.permutations[1].values())
        np.testing.assert_array_equal(found.apply(1)["2.weight"], self.other["2.weight"][q][:, p])

    def test_shares_weigh_the_mean(self):
        found = onebasin.match([self.first, perceptron([6, 8, 7, 3], 9)])
        a, b = found.apply(0)["2.bias"], found.apply(1)["2.bias"]
        np.testing.assert_allclose(found.merge([0.25, 0.75])["2.bias"], 0.25 * a + 0.75 * b, rtol=1e-6)
        with self.assertRaisesRegex(ValueError, "sum to `2`"):
            found.merge([1, 1])
        with self.assertRaisesRegex(ValueError, "`seed` is -1"):
            onebasin.match([self.first, self.other], seed=-1)

    def test_types_come_back_and_what_came_in_is_not_changed(self):
        for dtype in (np.float64, np.float16, np.float32):
            models = [perceptron([6, 8, 3], seed, dtype) for seed in (1, 2)]
            copies = [{name: array.copy() for name, array in model.items()} for model in models]
            merged = onebasin.match(models).merge()
            self.assertEqual({array.dtype for array in merged.values()}, {np.dtype(dtype)})
            for model, copy in zip(models, copies):
                for name in model:
                    np.testing.assert_array_equal(model[name], copy[name])

    def test_a_tensor_that_two_layers_share_is_never_merged_into_two(self):
        models = [perceptron([6, 5, 5, 5, 3], seed) for seed in (1, 2)]
        for model in models:
            model["4.weight"] = model["2.weight"]
        with self.assertRaisesRegex(ValueError, "`2.weight` and `4.weight` are one tensor in `models.0.`"):
            onebasin.match(models).merge()
        merged = onebasin.match(models, "identity").merge()
        np.testing.assert_array_equal(merged["2.weight"], merged["4.weight"])

    def test_options_are_those_of_a_spec(self):
        models = [perceptron([6, 8, 3], seed) for seed in (1, 2, 3)]
        one = onebasin.match(models, "c2m3", iterations=1)
        table = onebasin.match(models, {"by": "c2m3", "iterations": 1})
        self.assertEqual(one.objective, table.objective)
        with self.assertRaisesRegex(ValueError, "did you mean `c2m3`"):
            onebasin.match(models, "c2m4")
        with self.assertRaisesRegex(ValueError, "unknown field `iteration`"):
            onebasin.match(models, "c2m3", iteration=1)
        with self.assertRaisesRegex(ValueError, "looks at images"):
            onebasin.match(models, "activation-matching")

    def test_soft_plans_are_matrices(self):
        models = [perceptron([6, 8, 3], seed) for seed in (1, 2)]
        found = onebasin.match(models, "ot-fusion", plan="sinkhorn", regularisation=1.0)
        (plan,) = found.permutations[1].values()
        np.testing.assert_allclose(plan.sum(axis=1), np.ones(8), rtol=1e-5)

    def test_an_architecture_is_said_by_a_table_or_a_file(self):
        table = {"input": [6, 1, 1], "layers": [{"op": "flatten"}, {"op": "linear", "out": 8}, {"op": "linear", "out": 3}]}
        models = [perceptron([6, 8, 3], seed) for seed in (1, 2)]
        found = onebasin.match(models, architecture=table)
        self.assertNotIn("relu", [layer["op"] for layer in found.architecture["layers"]])
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "net.toml")
            with open(path, "w") as file:
                file.write("input = [6, 1, 1]\nlayers = [{op='flatten'}, {op='linear', out=8}, {op='linear', out=3}]")
            self.assertEqual(onebasin.match(models, architecture=path).objective, found.objective)
        with self.assertRaises(OSError):
            onebasin.match(models, architecture="none.toml")

    def test_errors_name_tensor_models_and_shapes(self):
        with self.assertRaisesRegex(ValueError, r"tensor `0.weight` has shape \[8, 6\] in `models\[0\]` and \[5, 6\] in `models\[1\]`"):
            onebasin.match([self.first, perceptron([6, 5, 7, 3], 1)])
        with self.assertRaisesRegex(ValueError, "is of type `I8`"):
            onebasin.match([{name: array.astype(np.int8) for name, array in self.first.items()}] * 2)
        with self.assertRaisesRegex(ValueError, "is not supported"):
            onebasin.match([{"self_attn.in_proj_weight": np.ones((3, 1), np.float32)}] * 2)
        broken = dict(self.first, **{"0.bias": np.full(8, np.nan, np.float32)})
        with self.assertRaisesRegex(ValueError, "not finite"):
            onebasin.match([self.first, broken])
        with self.assertRaisesRegex(TypeError, "expected a sequence"):
            onebasin.match(self.first)
        with self.assertRaisesRegex(TypeError, "dictionary under `state_dict`"):
            onebasin.match([{"state_dict": self.first, "epoch": 3}] * 2)
        with self.assertRaisesRegex(TypeError, "`epoch` is a int"):
            onebasin.match([dict(self.first, epoch=3)] * 2)
        with self.assertRaisesRegex(ValueError, "1 models, expected at least 2"):
            onebasin.match([self.first])
        with self.assertRaises(IndexError):
            onebasin.match([self.first, self.other]).apply(2)
        with self.assertRaisesRegex(ValueError, "expected inputs of shape"):
            onebasin.match([self.first, self.other], inputs=np.ones((2, 5), np.float32))

    def test_saved_maps_are_those_of_the_command(self):
        found = onebasin.match([self.first, self.other])
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "maps.json")
            found.save(path)
            with open(path) as file:
                maps = json.load(file)
        self.assertEqual(maps["direction"], "slot i of the frame holds the model's unit p[i]")
        for saved, map_ in zip(maps["models"], found.permutations):
            self.assertEqual(saved, {name: units.tolist() for name, units in map_.items()})

    def test_counters_are_kept_and_batch_norms_warned_of(self):
        draw = np.random.default_rng(5)
        model = {
            "conv.weight": draw.normal(size=(4, 3, 3, 3)).astype(np.float32),
            "bn.weight": np.ones(4, np.float32),
            "bn.bias": np.zeros(4, np.float32),
            "bn.running_mean": np.zeros(4, np.float32),
            "bn.running_var": np.ones(4, np.float32),
            "bn.num_batches_tracked": np.array(17),
            "fc.weight": draw.normal(size=(2, 4)).astype(np.float32),
            "fc.bias": np.zeros(2, np.float32),
        }
        found = onebasin.match([model, model])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            merged = found.merge()
        self.assertIn("batch norms", str(caught[0].message))
        self.assertEqual(int(merged["bn.num_batches_tracked"]), 17)


class Meanwhile(unittest.TestCase):
    def test_other_threads_run_while_networks_are_matched(self):
        models = [perceptron([64, 512, 512, 10], seed) for seed in (1, 2)]
        done = threading.Event()
        counted = []

        def count():
            while not done.is_set():
                counted.append(time.monotonic())
                time.sleep(0.001)

        thread = threading.Thread(target=count)
        thread.start()
        begun = time.monotonic()
        onebasin.match(models)
        ended = time.monotonic()
        done.set()
        thread.join()
        # Without the lock given up, no other thread would have run in between.
        self.assertTrue(any(begun < at < ended for at in counted))

    @unittest.skipUnless(hasattr(signal, "setitimer"), "this system has no timers")
    def test_a_signal_interrupts_a_matching(self):
        models = [perceptron([64, 1500, 1500, 1500, 10], seed) for seed in range(4)]

        def interrupt(*_):
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with self.assertRaises(KeyboardInterrupt):
                onebasin.match(models, "merge-many")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    unittest.main()
