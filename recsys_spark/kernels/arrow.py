"""Between Arrow list columns and NumPy matrices, without copying through Python objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp


def matrix(column: pa.Array | pa.ChunkedArray, dtype: type = np.float32) -> np.ndarray:
    """A list column whose lists all have one length, as a matrix [rows, length].

    Raises:
        ValueError: a list is null or of another length.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # no rows
            return np.empty((0, 0), dtype)
    if len(column) == 0:
        return np.empty((0, 0), dtype)
    lengths = np.diff(column.offsets.to_numpy())
    if column.null_count or lengths.min() != lengths.max():
        raise ValueError(
            f"expected lists of one length, found lengths {lengths.min()} to {lengths.max()}, {column.null_count} nulls"
        )
    values = column.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(values.reshape(len(column), -1), dtype=dtype)


def list_column(values: np.ndarray, dtype: type = np.float32) -> pa.ListArray:
    """A matrix [rows, length] as a column of lists of float32, or of another type."""
    rows, length = values.shape
    offsets = np.arange(0, rows * length + 1, length, dtype=np.int32) if length else np.zeros(rows + 1, np.int32)
    flat: np.ndarray = np.ascontiguousarray(values, dtype=dtype).ravel()
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))


def lists_of_rows(rows: np.ndarray, columns: Sequence[pa.Array]) -> tuple[np.ndarray, list[pa.ListArray]]:
    """What belongs to one row, as a list: the rows [different], and each column as lists in their order.

    Args:
        rows: of each value [values], ascending.
        columns: values [values].
    """
    told, first = np.unique(rows, return_index=True)
    offsets = pa.array(np.append(first, len(rows)), pa.int32())
    return told, [pa.ListArray.from_arrays(offsets, values) for values in columns]


def positions_in(ids: pa.Array | pa.ChunkedArray, among: pa.Array) -> np.ndarray:
    """Where each id is among others, which differ: [ids] int64, -1 where it is not."""
    found = pc.fill_null(pc.index_in(ids, value_set=among), -1)
    return np.asarray(found).astype(np.int64)


def ranked(names: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Each name's place [rows] among the different ones, and these in the order of their bytes, as Spark sorts."""
    encoded = pa.concat_arrays(names.chunks or [pa.array([], names.type)]).dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place[encoded.indices.to_numpy()], encoded.dictionary.take(pa.array(order))


def sparse_rows(
    index_column: pa.Array | pa.ChunkedArray, value_column: pa.Array | pa.ChunkedArray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Aligned list columns of positions and values as CSR parts: indptr [rows + 1], indices [nnz], values [nnz]."""
    index = index_column.combine_chunks() if isinstance(index_column, pa.ChunkedArray) else index_column
    value = value_column.combine_chunks() if isinstance(value_column, pa.ChunkedArray) else value_column
    if len(index) == 0:
        return np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    indptr = index.offsets.to_numpy().astype(np.int64)
    indices = index.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
    values = value.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return indptr - indptr[0], indices, values


def csr_rows(
    index_column: pa.Array | pa.ChunkedArray, value_column: pa.Array | pa.ChunkedArray | None, width: int
) -> sp.csr_matrix:
    """Lists of positions, and of aligned values (None: all 1), as a sparse matrix [rows, width] of float32."""
    indptr, indices, values = sparse_rows(index_column, index_column if value_column is None else value_column)
    data = np.ones_like(values) if value_column is None else values
    return sp.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, width))


def padded(column: pa.Array | pa.ChunkedArray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Lists that are empty or of length ``width`` as a matrix [rows, width], zeros where empty, and a mask of the rest.

    Raises:
        ValueError: a list has another length.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    out = np.zeros((len(column), width), np.float32)
    present = np.zeros(len(column), bool)
    if len(column) and width:
        lengths = np.diff(column.offsets.to_numpy())
        present = lengths > 0
        if not np.isin(lengths, (0, width)).all():
            raise ValueError(
                f"expected lists of length 0 or {width}, found lengths {sorted(set(lengths.tolist()))[:5]}"
            )
        out[present] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    return out, present
