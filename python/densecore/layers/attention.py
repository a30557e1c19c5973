"""Attention between the vectors of rows (steps, features): tables whose columns are embedded.

These layers are written as custom layers are: their `call` is described with symbols, and becomes
dense layers, products and softmax of the core.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .. import constraints, initializers, regularizers
from .._base import checks
from .activation import Softmax
from .base import Layer
from .composed import Composed, HeadColumns, HeadsProjection, HeadsSideBySide
from .dropout import Dropout
from .lowering import Row
from .merge import Dot
from .rescaling import Rescaling
from .symbols import Symbol

_FAR = -1e9  # what a score that does not count falls by, as in Keras


def _refuse_masks(layer: Layer, **masks: Any) -> None:
    for name, mask in masks.items():
        if mask is not None:
            raise ValueError(
                f"{type(layer).__name__}: {name}: found {type(mask).__name__}, wanted None: "
                "use_causal_mask=True is the one mask that there is"
            )


def _causal(scores: Any) -> Any:
    """Scores (queries, keys) where later keys are far away."""
    queries, keys = scores.row
    later = np.where(np.tri(queries, keys, dtype=bool), 0.0, _FAR)
    return Symbol.operators["computed"](lambda x: x + later, (scores,), {})


class Attention(Composed):
    """softmax(Q Kᵀ) V, for inputs [query, value] or [query, value, key] (Luong et al., 2015).

    Each input has rows (steps, features).

    Parameters
    ----------
    use_scale : bool, default False
        Whether scores are multiplied with a number that is learnt.
    score_mode : {"dot", "concat"}, default "dot"
        "concat": w Σ tanh(q + k), with a number w that is learnt; runs in Python.
    dropout : float, default 0.0
        The rate at which shares drop out in training.
    seed : int, optional
        Without effect: masks follow from the model's seed.
    **general
        As of `Layer`.

    Raises
    ------
    ValueError, TypeError
        Another mode; in a call, masks, or inputs that are no list of two or three.
    """

    _keeps_mask: ClassVar[bool | None] = None  # Keras leaves masked steps out by itself
    config_names: ClassVar[tuple[str, ...]] = ("use_scale", "score_mode", "dropout")

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        kind = type(self).__name__
        self.use_scale = checks.flag(f"{kind}: use_scale", use_scale)
        self.score_mode = checks.one_of(f"{kind}: score_mode", score_mode, ("dot", "concat"))
        self.dropout = checks.number(f"{kind}: dropout", dropout, least=0, below=1)

    def build(self, input_shape: Any = None) -> None:
        if self.use_scale:
            self.scale = self._scale_weight(input_shape)
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def _scale_weight(self, input_shape: Any) -> Any:
        return self.add_weight((), "ones", name="scale")

    def __call__(  # type: ignore[override]
        self, inputs: Any, mask: Any = None, **named: Any
    ) -> Any:
        """See `OwnLayer`; `return_attention_scores` and `use_causal_mask` as in Keras."""
        _refuse_masks(self, mask=mask)
        if not isinstance(inputs, list | tuple) or len(inputs) not in (2, 3):
            raise ValueError(
                f"{type(self).__name__}: found {type(inputs).__name__}, wanted a list "
                "[query, value] or [query, value, key]"
            )
        return super().__call__(list(inputs), **_given(named))

    def call(
        self,
        inputs: Any,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """The value's vectors, weighted for each of the query's, of later keys none with
        `use_causal_mask`; with the shares if `return_attention_scores`."""
        query, value = inputs[:2]
        scores = self._scores(query, inputs[-1])
        if use_causal_mask:
            scores = _causal(scores)
        shares = Softmax()(scores)
        if self.dropout:
            shares = Dropout(self.dropout)(shares)
        found = Dot(axes=(2, 1))([shares, value])
        return (found, shares) if return_attention_scores else found

    def _scores(self, query: Any, key: Any) -> Any:
        scale = self.scale if self.use_scale else 1.0
        if self.score_mode == "concat":
            return self.concat_score_weight * _of_sums(query, key, scale, inside=True)
        scores = Dot(axes=(2, 2))([query, key])
        return scores * scale if self.use_scale else scores


class AdditiveAttention(Attention):
    """softmax(Σ scale · tanh(q + k)) V, as `Attention` (Bahdanau et al., 2015); in Python.

    Parameters
    ----------
    use_scale : bool, default True
        Whether there is a factor of each feature that is learnt.
    dropout : float, default 0.0
    **general
        As of `Layer`.
    """

    config_names: ClassVar[tuple[str, ...]] = ("use_scale", "dropout")

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **general: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **general)

    def _scale_weight(self, input_shape: Any) -> Any:
        return self.add_weight((input_shape[0][-1],), name="scale")

    def _scores(self, query: Any, key: Any) -> Any:
        return _of_sums(query, key, self.scale if self.use_scale else 1.0, inside=False)


def _of_sums(query: Any, key: Any, scale: Any, inside: bool) -> Any:
    """Σ tanh(q + k) of all pairs of vectors, with factors within the function or before it."""

    def scores(q: Any, k: Any, factor: Any) -> Any:
        sums = q[:, :, None, :] + k[:, None, :, :]
        return np.sum(np.tanh(factor * sums) if inside else factor * np.tanh(sums), axis=-1)

    return Symbol.operators["computed"](scores, (query, key, scale), {})


def _given(named: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call that say something."""
    return {key: value for key, value in named.items() if value not in (None, False)}


class MultiHeadAttention(Composed):
    """Attention of several heads, each with projections of its own (Vaswani et al., 2017).

    Inputs have rows (steps, features), such as the embedded columns of a table; arrays have
    Keras's shapes and order.

    Parameters
    ----------
    num_heads : int
    key_dim : int
        Size of the vectors of queries and keys of a head.
    value_dim : int, optional
        Of values; by default `key_dim`.
    dropout : float, default 0.0
        The rate at which shares drop out in training.
    use_bias : bool, default True
    output_shape : int, optional
        Features of the output; by default those of the query.
    kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint, \
bias_constraint
        As of `Dense`, for all projections.
    seed, flash_attention
        Without effect.
    attention_axes, sliding_window, use_gate, activity_regularizer
        Their defaults only.
    **general
        As of `Layer`.

    Raises
    ------
    ValueError, TypeError
        Sizes that are no integers >= 1, another option than the defaults; in a call, masks.
    """

    _keeps_mask: ClassVar[bool | None] = None
    config_names: ClassVar[tuple[str, ...]] = (
        "num_heads", "key_dim", "value_dim", "dropout", "use_bias",
        "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer",
        "kernel_constraint", "bias_constraint",
    )  # fmt: skip

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: Any = None,
        flash_attention: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        kind = type(self).__name__
        for name, value in (
            ("sliding_window", sliding_window),
            ("use_gate", use_gate or None),
            ("activity_regularizer", activity_regularizer),
            ("attention_axes", None if attention_axes in (1, (1,), [1]) else attention_axes),
        ):
            if value is not None:
                raise ValueError(f"{kind}: {name}: found {checks.shown(value)}, wanted the default")
        self.num_heads = checks.width(f"{kind}: num_heads", num_heads)
        self.key_dim = checks.width(f"{kind}: key_dim", key_dim)
        given = key_dim if value_dim is None else value_dim
        self.value_dim = checks.width(f"{kind}: value_dim", given)
        self.dropout = checks.number(f"{kind}: dropout", dropout, least=0, below=1)
        self.use_bias = checks.flag(f"{kind}: use_bias", use_bias)
        single = isinstance(output_shape, list | tuple) and len(output_shape) == 1
        size = output_shape[0] if single else output_shape
        self._end = None if size is None else checks.width(f"{kind}: output_shape", size)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `from_config` makes an equal layer; JSON-able."""
        return {**super().get_config(), "output_shape": self._end}

    @property
    def _value_heads(self) -> int:
        """How many heads keys and values have."""
        return self.num_heads

    def build(self, input_shape: Any = None) -> None:
        query, value, *key = [shape[-1] for shape in input_shape]
        heads, size, of_value = self.num_heads, self.key_dim, self.value_dim
        self._query_dense = self._projection("query", (query,), (heads, size))
        few = self._value_heads
        self._key_dense = self._projection("key", ((key or [value])[0],), (few, size))
        self._value_dense = self._projection("value", (value,), (few, of_value))
        end = (query if self._end is None else self._end,)
        self._output_dense = self._projection("attention_output", (heads, of_value), end)

    def _projection(self, name: str, before: Row, after: Row) -> HeadsProjection:
        options = {
            f"{array}_{kind}": getattr(self, f"{array}_{kind}")
            for array in ("kernel", "bias")
            for kind in ("initializer", "regularizer", "constraint")
        }
        return HeadsProjection(before, after, name=name, use_bias=self.use_bias, **options)

    def __call__(  # type: ignore[override]
        self,
        query: Any,
        value: Any = None,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Attention of the query's vectors to the value's; see `OwnLayer`.

        Parameters
        ----------
        query, value : array_like (rows, steps, features), or Symbol
        key : optional
            By default the value.
        query_mask, value_mask, key_mask, attention_mask : None
        return_attention_scores : bool, default False
            Whether the shares (rows, heads, queries, keys) are returned, too.
        training
            As of `Layer`.
        use_causal_mask : bool, default False
            Whether a vector sees itself and earlier ones alone.
        """
        _refuse_masks(
            self, query_mask=query_mask, value_mask=value_mask, key_mask=key_mask,
            attention_mask=attention_mask,
        )  # fmt: skip
        if value is None:
            raise TypeError(f"{type(self).__name__}: value: found None, wanted (query, value)")
        inputs = [query, value] if key is None else [query, value, key]
        asked = {"return_attention_scores": return_attention_scores}
        named = _given({**asked, "use_causal_mask": use_causal_mask})
        return super().__call__(*inputs, training=training, **named)

    def call(  # type: ignore[override]
        self,
        query: Any,
        value: Any,
        key: Any = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """The output (steps of the query, features), with the shares if `return_attention_scores`;
        by default `key` is the value. `use_causal_mask` leaves later keys out."""
        q, v = self._query_dense(query), self._value_dense(value)
        k = self._key_dense(value if key is None else key)
        heads, few = range(self.num_heads), range(self._value_heads)
        queries = [self._part(q, n, self.key_dim) for n in heads]
        keys = [self._part(k, n, self.key_dim) for n in few]
        values = [self._part(v, n, self.value_dim) for n in few]
        of_head = [n * len(few) // len(heads) for n in heads]
        shares = [self._shares(queries[n], keys[of_head[n]], use_causal_mask) for n in heads]
        values = [values[n] for n in of_head]
        found = [Dot(axes=(2, 1))(list(pair)) for pair in zip(shares, values, strict=True)]
        output = self._output_dense(_beside(found))
        if not return_attention_scores:
            return output
        return output, Symbol.operators["computed"](lambda s: np.stack(s, axis=1), (shares,), {})

    @staticmethod
    def _part(vectors: Any, head: int, size: int) -> Any:
        return HeadColumns(head * size, size)(vectors)

    def _shares(self, query: Any, key: Any, causal: bool) -> Any:
        scores = Rescaling(1 / math.sqrt(self.key_dim))(Dot(axes=(2, 2))([query, key]))
        shares = Softmax()(_causal(scores) if causal else scores)
        return Dropout(self.dropout)(shares) if self.dropout else shares


class GroupQueryAttention(MultiHeadAttention):
    """`MultiHeadAttention` whose heads share keys and values in groups (Ainslie et al., 2023).

    Parameters
    ----------
    head_dim : int
        Size of the vectors of a head.
    num_query_heads : int
    num_key_value_heads : int
        A divisor of it.
    dropout : float, default 0.0
    use_bias : bool, default True
    **options
        As of `MultiHeadAttention`; the output has the features of the query.

    Raises
    ------
    ValueError, TypeError
        As of `MultiHeadAttention`; heads that do not divide.
    """

    config_names: ClassVar[tuple[str, ...]] = (
        "head_dim", "num_query_heads", "num_key_value_heads", "dropout", "use_bias",
        "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer",
        "kernel_constraint", "bias_constraint",
    )  # fmt: skip

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(num_query_heads, head_dim, dropout=dropout, use_bias=use_bias, **options)
        self.head_dim, self.num_query_heads = self.key_dim, self.num_heads
        few = checks.width("GroupQueryAttention: num_key_value_heads", num_key_value_heads)
        if self.num_heads % few:
            raise ValueError(
                f"GroupQueryAttention: num_key_value_heads: found {few}, wanted a divisor of "
                f"num_query_heads, {self.num_heads}"
            )
        self.num_key_value_heads = few

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `from_config` makes an equal layer; JSON-able."""
        config = super().get_config()
        del config["output_shape"]
        return config

    @property
    def _value_heads(self) -> int:
        return self.num_key_value_heads


#: Keras's longer name.
GroupedQueryAttention = GroupQueryAttention


def _beside(found: Sequence[Any]) -> Any:
    return found[0] if len(found) == 1 else HeadsSideBySide()(list(found))
