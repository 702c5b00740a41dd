"""`Trainer`: what a layer needs to be compiled, trained and asked; a mixin of one-line methods."""

import os
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina import optimizers
from lamina.core import binding, registry, tracking
from lamina.core.errors import ArgumentError, StateError
from lamina.core.settings import settings
from lamina.core.tracebacks import folded
from lamina.core.types import Array, Config, Nest
from lamina.core.variable import read_all
from lamina.metrics import Mean
from lamina.training import finder, loop, memory, rehearsal
from lamina.training.callback import CallbackList, History, to_numbers
from lamina.training.checks import examine, warn
from lamina.training.compilations import Compilation
from lamina.training.compiling import CompiledLoss, CompiledMetrics
from lamina.training.data import source_of, split, validation_source
from lamina.training.seen import Finding, Findings
from lamina.training.stepping import Stepping


class Training:
    """What `compile` settled and what training remembers, apart from the layer itself."""

    def __init__(self) -> None:
        self.optimizer: Any = None
        self.loss: Any = None
        self.compiled_loss: CompiledLoss | None = None
        self.compiled_metrics: CompiledMetrics | None = None
        self.loss_tracker: Any = None
        self.run_eagerly = False
        self.jit_compile: bool | str = "auto"
        self.steps_per_execution: int | str = 1
        self.compiled = False
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self.history: History | None = None
        self.given: dict[str, Any] = {}
        self.programs: dict[Any, Any] = {}
        self.compilations: list[Any] = []
        self.found: Any = None
        self.runner: Any = None

    def __getstate__(self) -> dict[str, Any]:
        fresh = {"programs": {}, "compilations": [], "found": None, "runner": None}
        return {**vars(self), **fresh}


def _kept(name: str, doc: str) -> Any:
    """A property that lives in the layer's `Training`."""

    def get(self: "Trainer") -> Any:
        return getattr(self._training, name)

    def put(self: "Trainer", value: Any) -> None:
        setattr(self._training, name, value)

    return property(get, put, doc=doc)


class Trainer(Stepping):
    """Mixed into a `Layer`: ``compile``, ``fit``, ``evaluate``, ``predict`` and what they share."""

    optimizer = _kept("optimizer", "What follows the gradients.")
    loss = _kept("loss", "The loss as `compile` was given it.")
    compiled_loss = _kept("compiled_loss", "The losses of all outputs.")
    compiled_metrics = _kept("compiled_metrics", "The metrics of all outputs.")
    loss_tracker = _kept("loss_tracker", "The running mean of the loss.")
    compiled = _kept("compiled", "Whether `compile` was called.")
    run_eagerly = _kept("run_eagerly", "Whether steps run operation by operation, to debug them.")
    jit_compile = _kept("jit_compile", "Whether steps are compiled.")
    steps_per_execution = _kept("steps_per_execution", "Steps between two events of batches.")
    stop_training = _kept("stop_training", "Set to True by a callback that has seen enough.")
    stop_evaluating = _kept("stop_evaluating", "Set to True to end `evaluate`.")
    stop_predicting = _kept("stop_predicting", "Set to True to end `predict`.")
    history = _kept("history", "The `History` of the last `fit`.")

    @property
    def _training(self) -> Training:
        found = self.__dict__.get("_trainer")
        if found is None:
            found = Training()
            object.__setattr__(self, "_trainer", found)
        return found

    # --- compiling ------------------------------------------------------------------------------

    @folded
    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int | str = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Settle how the model is trained.

        Args:
            optimizer: A name, an optimizer, or an optax transformation.
            loss: A name, a loss, or a function of ``y_true`` and ``y_pred``; for several outputs a
                list, or a dict by name of output.
            loss_weights: A number for each loss, in the same form.
            metrics: A list of names, metrics and functions, or one such list for each output.
                "accuracy" and "crossentropy" fit themselves to the shapes.
            weighted_metrics: The same, with sample weights taken into account.
            run_eagerly: Run steps operation by operation, so that one can look inside.
            steps_per_execution: Batches between two events of batches; "auto" leaves it open.
            jit_compile: Whether steps are compiled; "auto" is yes unless ``run_eagerly``.
            auto_scale_loss: Whether the loss is scaled for a "mixed_float16" model.
        """
        kept = self._training
        plan = getattr(self, "_plan", None)
        names = plan and [x.record[0].name for x in plan.output_tensors]
        optimizer = optimizers.get(optimizer)
        if steps_per_execution != "auto" and not (
            isinstance(steps_per_execution, (int, np.integer)) and steps_per_execution > 0
        ):
            raise ArgumentError(f"steps_per_execution={steps_per_execution!r}: give 1 or more.")
        compiled_loss = None if loss is None else CompiledLoss(loss, loss_weights, names)
        compiled_metrics = None
        if metrics or weighted_metrics:
            compiled_metrics = CompiledMetrics(metrics, weighted_metrics, names)
        kept.given = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": not run_eagerly if jit_compile == "auto" else jit_compile,
        }
        policy = self.dtype_policy.name  # type: ignore[attr-defined]
        scaled = auto_scale_loss and policy == "mixed_float16"
        if scaled and optimizer and not isinstance(optimizer, optimizers.LossScaleOptimizer):
            optimizer = optimizers.LossScaleOptimizer(optimizer, name="loss_scale_optimizer")
        kept.optimizer, kept.loss = optimizer, loss
        kept.compiled_loss, kept.compiled_metrics = compiled_loss, compiled_metrics
        kept.run_eagerly, kept.steps_per_execution = run_eagerly, steps_per_execution
        kept.jit_compile = kept.given["jit_compile"]
        kept.loss_tracker = Mean(name="loss")
        kept.stop_training = False
        kept.programs, kept.compilations = {}, []
        kept.compiled = True

    def get_compile_config(self) -> Config:
        """What `compile` was given, as plain values; empty when it was not called.

        Warns ``[optimizer-not-saved]`` and is empty with an optax transformation: it has no config.
        """
        given = self._training.given
        if isinstance(given.get("optimizer"), optimizers.OptaxOptimizer):
            text = (
                f"What {self._who()} was compiled with is not kept in a file: "  # type: ignore[attr-defined]
                "an optax transformation has no config. Compile again after loading; to go on with "
                "a run, save_weights keeps the moments too: load_weights after compile."
            )
            warn(Finding("optimizer-not-saved", text))
            return {}
        return registry.serialize(given)

    def compile_from_config(self, config: Config) -> None:
        """Compile as `get_compile_config` says; a built model's optimizer gets its state."""
        if type(self).compile is not Trainer.compile:
            warnings.warn(
                f"{type(self).__name__} has its own compile(), so it was not compiled on loading "
                "[compile-overridden]. Override compile_from_config(config) beside it, or call "
                "compile() yourself.",
                stacklevel=2,
            )
            return
        self.compile(**registry.deserialize(config))
        if self.optimizer is not None and getattr(self, "built", False):
            self.optimizer.build(self.trainable_variables)  # type: ignore[attr-defined]

    # --- metrics --------------------------------------------------------------------------------

    @property
    def metrics(self) -> list[Any]:
        """The running mean of the loss, the compiled metrics, then those held by layers."""
        kept, found = self._training, []
        if kept.compiled:
            found = [kept.loss_tracker, *(m for _, m in self._compiled_metrics())]
        found += self._found()[2]
        return list({id(metric): metric for metric in found}.values())

    def _found(self) -> tuple[list[Any], list[Any], list[Any]]:
        """Trainable variables, others, metrics of layers: looked for anew after a change only."""
        kept, count = self._training, tracking.count()
        if kept.found is None or kept.found[0] != count:
            layers: list[Any] = self._flatten_layers()  # type: ignore[attr-defined]
            held = [m for layer in layers for m in layer._owners() if hasattr(m, "update_state")]
            weights = self.trainable_variables, self.non_trainable_variables  # type: ignore[attr-defined]
            kept.found = (count, (*weights, held))
        return kept.found[1]

    def _compiled_metrics(self) -> list[tuple[str, Any]]:
        """``(name in logs, metric)`` for each compiled metric and each part of the loss."""
        kept, found = self._training, []
        if kept.compiled_metrics is not None:
            found += [(name, metric) for name, _, metric, _ in kept.compiled_metrics.entries]
        if kept.compiled_loss is not None:
            found += [(tracker.name, tracker) for tracker in kept.compiled_loss.trackers]
        return found

    @property
    def metrics_names(self) -> list[str]:
        """Names of what `evaluate` returns, in its order."""
        named = [name for name, _ in self._named_metrics()]
        return loop.in_order(self, {n: n for n in named}) if len(named) > 1 else named

    def reset_metrics(self) -> None:
        """Start all running sums anew."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> dict[str, Array]:
        """The metrics as they stand, by name in logs."""
        logs: dict[str, Any] = {}
        for name, metric in self._named_metrics():
            result = read_all(metric.result())
            logs |= result if isinstance(result, dict) else {name: result}
        return logs

    def _named_metrics(self) -> list[tuple[str, Any]]:
        """All metrics with their names in logs."""
        names = {id(metric): name for name, metric in self._compiled_metrics()}
        return [(names.get(id(metric)) or metric.name, metric) for metric in self.metrics]

    def compute_metrics(
        self, x: Nest, y: Nest, y_pred: Nest, sample_weight: Nest = None
    ) -> dict[str, Array]:
        """Take a batch into the compiled metrics; the results of all metrics so far."""
        if self._training.compiled_metrics is not None:
            self._training.compiled_metrics.update(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def compute_loss(
        self,
        x: Nest = None,
        y: Nest = None,
        y_pred: Nest = None,
        sample_weight: Nest = None,
        training: bool = True,
    ) -> Array:
        """The compiled losses plus those that layers and regularizers added, one scalar."""
        compiled = self._training.compiled_loss
        loss = None if compiled is None else compiled(y, y_pred, sample_weight)
        frame = binding.current()
        added = [] if frame is None else [value for _, value in frame.trace.losses]
        if frame is None:
            added = self.losses  # type: ignore[attr-defined]
        else:
            added += self._weight_losses()  # type: ignore[attr-defined]
        parts = [jnp.asarray(each) for each in [loss, *added] if each is not None]
        if not parts and training:
            raise StateError(
                f"{self._who()} has nothing to make small.",  # type: ignore[attr-defined]
                rule="training needs a loss: compiled, added by a layer, or computed by a step",
                fix='compile(loss="mse"), say',
            )
        return sum(parts[1:], parts[0]) if parts else jnp.zeros(())

    def check(
        self, x: Any, y: Any = None, sample_weight: Any = None, callbacks: Any = None
    ) -> Findings:
        """What is certainly or probably wrong with training on this data, without training.

        Arguments as those of `fit`, which makes the same checks before its first step.
        """
        loop.need_compiled(self, "check")
        data = source_of(x, y, sample_weight)
        return examine(self, data, CallbackList(callbacks, model=self).callbacks)

    # --- running --------------------------------------------------------------------------------

    @folded
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: dict[Any, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        dry_run: bool = False,
        check_numerics: bool = False,
        resume: str | os.PathLike[str] | None = None,
    ) -> History:
        """Train the model for some passes over the data.

        Args:
            x: Inputs: an array, a nest of arrays, a data frame, or an iterable of batches
                ``(x, y)`` or ``(x, y, sample_weight)``: a generator, a `PyDataset`, a loader.
            y: Targets, with as many samples as ``x``; None when ``x`` yields batches.
            batch_size: Samples of a step; 32 when left out.
            epochs: The number of the epoch to stop before, counted from 0.
            verbose: 0 is silent, 1 a live line, 2 a line for each epoch; "auto" is 1.
            callbacks: A callback or a list of them.
            validation_split: The share of samples, taken from the end, to validate with.
            validation_data: ``(x, y)``, ``(x, y, sample_weight)``, or an iterable of batches.
            shuffle: Whether arrays come in a new order each epoch; "batch" shuffles batches. A
                `PyDataset` has its batches shuffled; other iterables keep their own order.
            class_weight: What samples of a class weigh, by class number; for several outputs such
                dicts by name of output, or in a list.
            sample_weight: What each sample weighs.
            initial_epoch: The number of the first epoch.
            steps_per_epoch: Batches of an epoch; all there are when left out.
            validation_steps: Batches of a validation.
            validation_batch_size: Samples of a step of validation.
            validation_freq: Every how many epochs to validate, or a list of epochs from 1.
            dry_run: Whether to try one batch of training, of validation and each event of
                callbacks, and then leave model, seeds and files as they were. A generator has
                given its first batch then.
            check_numerics: Whether to end with an error at the first batch that gives NaN or inf,
                saying in which layer, gradient or update; the weights stay those before it.
            resume: A folder where the run is kept on the way. Started again after it was killed,
                it goes on from there and ends as it would have; one that is finished returns.

        Returns:
            The `History`, whose ``history`` has a list of numbers for each log.

        The last batch of an epoch is filled up with samples that do not count, so that it runs in
        the same program; where a layer mixes the samples of a batch it runs at its own size.
        """
        loop.need_compiled(self, "fit")
        draws = settings.draws
        if validation_split and validation_data is None:
            parts = (x, y, sample_weight)
            (x, y, sample_weight), validation_data = split(parts, validation_split)
        names = self.compiled_loss and self.compiled_loss.names
        given = (batch_size, shuffle, class_weight, steps_per_epoch, names)
        data = source_of(x, y, sample_weight, *given)
        check = None
        if validation_data is not None:
            size = validation_batch_size or batch_size
            check = validation_source(validation_data, size, validation_steps)
        if dry_run:
            return rehearsal.rehearse(self, draws, data, check, callbacks, verbose)
        if resume is not None:
            keeper = registry.late("callbacks.backup.keeper")(resume)
            if isinstance(callbacks, CallbackList):
                callbacks.append(keeper)
                keeper.set_model(self)
            else:
                callbacks = [callbacks, keeper]
        numbers = range(initial_epoch, min(epochs, settings.max_epochs or epochs))
        given = (verbose, numbers, validation_freq, check_numerics)
        return loop.fit(self, data, check, callbacks, *given)

    @folded
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics over data: a list (one number if there is only one), or a dict.

        Arguments as those of `fit`.
        """
        loop.need_compiled(self, "evaluate")
        data = source_of(x, y, sample_weight, batch_size, steps=steps)
        logs = loop.evaluate(self, data, callbacks, verbose)
        return logs if return_dict else loop.in_order(self, logs)

    @folded
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        out: Any = None,
    ) -> Any:
        """The outputs for all samples of ``x``, as NumPy arrays. Arguments as those of `fit`.

        With ``out``, the name of a ``.npy`` file, they are written there as they come, and the
        array is one that is mapped from the file.
        """
        data = source_of(x, batch_size=batch_size, steps=steps)
        return loop.predict(self, data, callbacks, verbose, out)

    def predict_batches(
        self, x: Any, batch_size: int | None = None, steps: int | None = None
    ) -> Iterator[Any]:
        """The outputs for one batch after the other, while the device works on the next ones."""
        return loop.predict_batches(self, source_of(x, batch_size=batch_size, steps=steps))

    @folded
    def find_learning_rate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        sample_weight: Any = None,
        lowest: float = 1e-6,
        highest: float = 10.0,
        steps: int = 100,
        divergence: float = 4.0,
    ) -> finder.RateCurve:
        """The loss while the learning rate grows from ``lowest`` to ``highest``.

        Ends early when the running mean of the loss is ``divergence`` times its lowest. Model,
        optimizer, metrics and seeds are left as they were.
        """
        loop.need_compiled(self, "find_learning_rate")
        draws = settings.draws
        data = source_of(x, y, sample_weight, batch_size, shuffle=True)
        return finder.find(self, draws, data, lowest, highest, steps, divergence)

    @folded
    def memory(
        self, x: Any, y: Any = None, batch_size: int | None = None, sample_weight: Any = None
    ) -> memory.Memory:
        """Bytes that a step of training needs for a batch of these samples, by part.

        Compiles the step. A model that is not compiled is asked about predicting.
        """
        batch = source_of(x, y, sample_weight, batch_size).first()
        return memory.estimate(self, "train" if self.compiled else "predict", batch)

    @folded
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[Any, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step of training; loss and metrics of the batch, as `evaluate` returns them."""
        logs = loop.on_batch(self, "train", x, y, sample_weight, class_weight)
        return to_numbers(logs) if return_dict else loop.in_order(self, to_numbers(logs))

    @folded
    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Loss and metrics of one batch, as `evaluate` returns them."""
        logs = to_numbers(loop.on_batch(self, "test", x, y, sample_weight))
        return logs if return_dict else loop.in_order(self, logs)

    @folded
    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as NumPy arrays."""
        return jax.tree.map(np.asarray, loop.on_batch(self, "predict", x))

    @property
    def compilations(self) -> list[Compilation]:
        """The programs compiled for steps since `compile`, and why each was needed."""
        return [each for each, _ in self._training.compilations]

    def make_train_function(self, force: bool = False) -> None:
        """Steps are compiled when they first run; ``force`` forgets those compiled before."""
        if force:
            self._training.programs = {}

    make_test_function = make_predict_function = make_train_function

    def jax_state_sync(self) -> None:
        """Nothing to do: the variables hold the newest arrays after every step."""


__all__ = ["Trainer", "Training"]
