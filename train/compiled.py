"""What Keras leaves to each backend: compiling a function or an optimiser's step, and telling whether a GPU is there.

The rest of training is written once, in ``keras.ops``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any

from .errors import TrainingError

BACKENDS = ("tensorflow", "jax", "torch")
#: Whether TensorFlow compiles a step with XLA: a step takes 0.67 s instead of 0.91, the first one much longer.
XLA = True


def check_backend() -> str:
    """The backend that Keras will use, by the environment variable KERAS_BACKEND, before Keras is imported.

    Raises:
        TrainingError: there is no such backend, or it is not installed.
    """
    name = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if name not in BACKENDS:
        raise TrainingError(f"KERAS_BACKEND is {name!r}; it must be one of {', '.join(BACKENDS)}")
    for package in (name, "keras"):
        if importlib.util.find_spec(package) is None:
            raise TrainingError(
                f"{package} is not installed; pip install -e '.[train]' brings Keras and TensorFlow, "
                "and KERAS_BACKEND chooses among tensorflow, jax and torch"
            )
    os.environ["KERAS_BACKEND"] = name
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return name


def has_gpu() -> bool:
    """Whether the backend computes on a GPU."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.is_available()
    return any(name.lower().startswith("gpu") for name in keras.distribution.list_devices())


def exact_products() -> contextlib.AbstractContextManager[Any]:
    """Matrix products inside keep 24 bits on a GPU, where JAX by itself takes 11 for them: a loud bin's rounding errors
    would cover the quiet ones. torch keeps 24 by itself; TensorFlow, which takes 11 there, too, is left as it is."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.default_matmul_precision("float32")
    return contextlib.nullcontext()


def compiled(function: Callable[..., Any], variables: Sequence[Any]) -> Callable[..., Any]:
    """``function`` of arrays as one compiled function without gradients; it may read ``variables``, but not assign."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        @jax.jit
        def pure(values, inputs):
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return function(*inputs)

        return lambda *inputs: pure([v.value for v in variables], inputs)
    if keras.backend.backend() == "torch":
        import torch

        return torch.no_grad()(lambda *inputs: function(*map(keras.ops.convert_to_tensor, inputs)))
    import tensorflow

    traced = tensorflow.function(function, autograph=False)
    return lambda *inputs: traced(*map(tensorflow.convert_to_tensor, inputs))


class Step:
    """One step of an optimiser as one compiled function, whose results stay on the device until they are read.

    Args:
        loss: of the step's inputs; returns the loss and whatever else is to be returned.
        optimizer: built for ``trainable``.
        trainable: variables that learn.
        others: variables that ``loss`` or ``finish`` read or assign beside them.
        finish: called with the inputs' first array after the step, to assign some of ``others``.
    """

    def __init__(
        self,
        loss: Callable[..., tuple[Any, Any]],
        optimizer: Any,
        trainable: Sequence[Any],
        others: Sequence[Any],
        finish: Callable[[Any], None] = lambda _: None,
    ) -> None:
        import keras

        self.loss, self.optimizer, self.finish = loss, optimizer, finish
        self.trainable, self.others = list(trainable), list(others)
        make = {"jax": self._for_jax, "torch": self._for_torch, "tensorflow": self._for_tensorflow}
        self._run = make[keras.backend.backend()]()
        self._tensor = keras.ops.convert_to_tensor

    def __call__(self, learning_rate: float, control: Any, *inputs: Any) -> tuple[Any, Any]:
        """Learn from ``loss(control, *inputs)``; returns what it returned.

        Args:
            learning_rate: of this step.
            control: ``(n,)`` float32, figures that change from step to step; ``finish`` gets them too.
            inputs: arrays.
        """
        self.optimizer.learning_rate.assign(learning_rate)
        return self._run(*map(self._tensor, (control, *inputs)))

    def _for_tensorflow(self) -> Callable[..., Any]:
        import tensorflow

        def run(control, *inputs):
            with tensorflow.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([v.value for v in self.trainable])
                loss, others = self.loss(control, *inputs)
            gradients = tape.gradient(loss, [v.value for v in self.trainable])
            self.optimizer.apply(gradients, self.trainable)
            self.finish(control)
            return loss, others

        return tensorflow.function(run, jit_compile=XLA, autograph=False)

    def _for_torch(self) -> Callable[..., Any]:
        import torch

        def run(control, *inputs):
            for variable in self.trainable:
                variable.value.grad = None
            loss, others = self.loss(control, *inputs)
            loss.backward()
            with torch.no_grad():
                self.optimizer.apply([v.value.grad for v in self.trainable], self.trainable)
                self.finish(control)
            return loss.detach(), [x.detach() for x in others]

        return run

    def _for_jax(self) -> Callable[..., Any]:
        import jax
        import keras

        groups = self.trainable, self.others, self.optimizer.variables

        def scope(trainable, others):
            pairs = [*zip(self.trainable, trainable, strict=True), *zip(self.others, others, strict=True)]
            return keras.StatelessScope(state_mapping=pairs)

        def pure(values, inputs):
            trainable, others, optimizer = values

            def loss_of(trainable):
                with scope(trainable, others) as inside:
                    loss, returned = self.loss(*inputs)
                return loss, (returned, [inside.get_current_value(v) for v in self.others])

            (loss, (returned, others)), gradients = jax.value_and_grad(loss_of, has_aux=True)(trainable)
            trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
            with scope(trainable, others) as inside:
                self.finish(inputs[0])
                others = [inside.get_current_value(v) for v in self.others]
            return (loss, returned), (trainable, others, optimizer)

        compiled_step = jax.jit(pure, donate_argnums=0)

        def run(*inputs):
            result, values = compiled_step(tuple([v.value for v in group] for group in groups), inputs)
            for group, new_values in zip(groups, values, strict=True):
                for variable, new in zip(group, new_values, strict=True):
                    variable.assign(new)
            return result

        return run
