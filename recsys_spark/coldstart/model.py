"""Two towers that place users and items in one space; one model serves the new and the known.

What is known of an id (an item's own embedding, a user's history) is an input that may be absent. Training drops it at
random, so that the towers learn to do with attributes and text alone: Volkovs, Yu and Poutanen (2017), DropoutNet:
Addressing Cold Start in Recommender Systems, NeurIPS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from recsys_spark.coldstart.catalogue import Catalogue

EMBEDDING_SCALE = 0.05
FEW_ROWS = 10_000
"""A step's examples name most rows of a table of attributes up to about this size; of one with more, few."""


class EmbeddingTable(keras.layers.Layer):
    """Rows looked up without reading the whole table, so that its gradient stays sparse; index 0 is no row.

    The means of a table of few rows read all of it: then its gradient is of all rows, with nothing to sort out.
    """

    def __init__(self, rows: int, width: int, **options: str) -> None:
        super().__init__(**options)
        self.table = self.add_weight(
            shape=(rows + 1, width), initializer=keras.initializers.RandomNormal(stddev=EMBEDDING_SCALE), name="table"
        )

    def call(self, idx: tf.Tensor) -> tf.Tensor:
        """[...] -> [..., width]; zeros for index 0."""
        rows = tf.nn.embedding_lookup(self.table.value, idx)
        return rows * tf.cast(idx > 0, rows.dtype)[..., None]

    def mean(self, idx: tf.Tensor) -> tf.Tensor:
        """[n, length] -> [n, width]: mean over the indexes that are not 0; zeros where there are none."""
        named = Named.of(idx)
        if self.table.shape[0] <= FEW_ROWS:
            return named.mean(tf.convert_to_tensor(self.table.value), named.idx)
        distinct, position = tf.unique(named.idx)
        return named.mean(tf.nn.embedding_lookup(self.table.value, distinct), position)


class Named(NamedTuple):
    """The indexes of [n, length] that are not 0, for means over them without a tensor [n, length, width]."""

    idx: tf.Tensor
    """int32 [m]."""
    row: tf.Tensor
    """int32 [m]: where in [n] each stands; never falls."""
    n_rows: tf.Tensor
    """n."""

    @staticmethod
    def of(idx: tf.Tensor) -> Named:
        """Leave the padding out."""
        held = idx > 0
        return Named(tf.boolean_mask(idx, held), tf.cast(tf.where(held)[:, 0], tf.int32), tf.shape(idx)[0])

    def mean(self, values: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
        """[n, width]: mean of the values [any, width] at the positions [m]; zeros where nothing is named."""

        @tf.custom_gradient
        def mean(values: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
            # TensorFlow's own gradient adds row after row wherever it belongs, at twice the time of sorting them
            # by position first; and that of a mean over nothing it never writes (2.21).
            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                held = tf.math.bincount(self.row, minlength=self.n_rows, maxlength=self.n_rows, dtype=upstream.dtype)
                shares = tf.math.divide_no_nan(upstream, held[:, None])
                order = tf.argsort(position, stable=True)
                rows, places = tf.gather(self.row, order), tf.gather(position, order)
                return tf.sparse.segment_sum(shares, rows, places, num_segments=tf.shape(values)[0])

            return tf.sparse.segment_mean(values, position, self.row, num_segments=self.n_rows), gradient

        return mean(values)


class TwoTowers(keras.Model):
    """Item tower and user tower over shared embeddings of items and their attributes.

    One linear map, ``likeness``, is added to both: to an item's own inputs and to their mean over the history. So items
    like those of the history score high from the first step on, and the towers learn what else there is.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        n_attributes: int,
        width: int,
        hidden: Sequence[int],
        temperature: float,
        *,
        n_ids: int | None = None,
        n_features: int | None = None,
    ) -> None:
        """Make the weights.

        Args:
            catalogue: static features of all items.
            n_attributes: largest index of a user attribute.
            width: of the embeddings and of the towers' output.
            hidden: widths of the layers between.
            temperature: user vectors are divided by it.
            n_ids: items that have an embedding of their own, those of the lowest indexes; all if None.
            n_features: largest index of an item attribute; the largest of the catalogue if None.
        """
        super().__init__(name="two_towers")
        self.items_known = catalogue
        self.width = width
        self.temperature = temperature
        dense_width = int(catalogue.dense.shape[1])
        self.item_ids = EmbeddingTable(catalogue.n_items if n_ids is None else n_ids, width, name="item_ids")
        self.item_features = EmbeddingTable(
            catalogue.n_features if n_features is None else n_features, width, name="item_features"
        )
        self.user_attributes = EmbeddingTable(n_attributes, width, name="user_attributes")
        self.dense_part = _built(keras.layers.Dense(width, name="dense_part"), dense_width) if dense_width else None
        content = width * (2 if self.dense_part else 1)
        self.likeness = _built(keras.layers.Dense(width, use_bias=False, name="likeness"), width + content)
        self.item_tower = _tower("item_tower", width + content, hidden, width)
        self.user_tower = _tower("user_tower", 2 * width + content + 2, hidden, width)

    @property
    def tables(self) -> list[keras.Variable]:
        """The embeddings among the weights."""
        return [one.table for one in (self.item_ids, self.item_features, self.user_attributes)]

    def content(self, item_idx: tf.Tensor) -> tf.Tensor:
        """What an item is, ids left out: [n] -> [n, width or 2 * width]."""
        features = self.item_features.mean(tf.gather(self.items_known.features, item_idx))
        if self.dense_part is None:
            return features
        return tf.concat([features, self.dense_part(tf.gather(self.items_known.dense, item_idx))], axis=1)

    def items(self, item_idx: tf.Tensor, id_idx: tf.Tensor) -> tf.Tensor:
        """Item vectors of unit length.

        Args:
            item_idx: int32 [n], whose content is used.
            id_idx: int32 [n], the same index, or 0 where the id is unknown or dropped.

        Returns:
            float32 [n, width].
        """
        inputs = tf.concat([self.item_ids(id_idx), self.content(item_idx)], axis=1)
        return tf.math.l2_normalize(self.item_tower(inputs) + self.likeness(inputs), axis=1)

    def users(self, attribute_idx: tf.Tensor, history_idx: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
        """User vectors, of length 1 / temperature, so that a dot product with an item vector is a logit.

        Args:
            attribute_idx: int32 [n, attribute length], 0 pads.
            history_idx: int32 [n, history length], 0 pads; all 0 for a new user.
            known: int32 [n_items + 1], the embedding index of each item, 0 where it is unknown.

        Returns:
            float32 [n, width].
        """
        attributes = self.user_attributes.mean(attribute_idx)
        ids, content = self._history(history_idx, known)
        met = tf.cast(tf.math.count_nonzero(history_idx, axis=1, keepdims=True), tf.float32)
        described = tf.cast(tf.reduce_any(attribute_idx > 0, axis=1, keepdims=True), tf.float32)
        inputs = tf.concat([attributes, ids, content, tf.math.log1p(met), described], axis=1)
        alike = self.likeness(tf.concat([ids, content], axis=1))
        return tf.math.l2_normalize(self.user_tower(inputs) + alike, axis=1) / self.temperature

    def _history(self, history_idx: tf.Tensor, known: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Means over the history of id embeddings [n, width] and of content [n, content width]."""
        named = Named.of(history_idx)
        distinct, position = tf.unique(named.idx)
        ids = named.mean(self.item_ids(tf.gather(known, distinct)), position)
        features = named.mean(self.item_features.mean(tf.gather(self.items_known.features, distinct)), position)
        if self.dense_part is None:
            return ids, features
        # The part is linear: of the mean it is the mean of the parts, but for its bias where nothing is named.
        dense = self.dense_part(named.mean(self.items_known.dense, named.idx))
        met = tf.reduce_any(history_idx > 0, axis=1, keepdims=True)
        return ids, tf.concat([features, tf.where(met, dense, 0.0)], axis=1)


def _tower(name: str, inputs: int, hidden: Sequence[int], width: int) -> keras.Sequential:
    # Keras numbers layers without a name over the whole process; stored weights need names that never change.
    layers = [keras.layers.Dense(units, activation="relu", name=f"hidden_{n}") for n, units in enumerate(hidden)]
    return keras.Sequential([keras.Input((inputs,)), *layers, keras.layers.Dense(width, name="out")], name=name)


def _built(layer: keras.layers.Layer, inputs: int) -> keras.layers.Layer:
    """Weights exist before the first step, so that they can be broadcast and restored."""
    layer.build((None, inputs))
    return layer
