import numpy as np
import pyarrow as pa
import pytest

from recsys_spark.kernels.arrow import csr_rows, list_column, lists_of_rows, matrix, padded, sparse_rows


def test_matrix_and_list_column_are_inverse():
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(matrix(list_column(values)), values)


def test_a_slice_is_read_where_it_begins():
    column = pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float32())).slice(1, 2)
    np.testing.assert_array_equal(matrix(column), [[3, 4], [5, 6]])
    filled, present = padded(pa.array([[9.0], [], [7.0]], pa.list_(pa.float32())).slice(1), 1)
    np.testing.assert_array_equal(filled, [[0], [7]])
    assert present.tolist() == [False, True]


def test_uneven_lists_are_refused_with_their_lengths():
    with pytest.raises(ValueError, match="1 to 2"):
        matrix(pa.array([[1.0], [1.0, 2.0]], pa.list_(pa.float32())))
    with pytest.raises(ValueError, match="length 0 or 3"):
        padded(pa.array([[1.0]], pa.list_(pa.float32())), 3)


def test_sparse_rows_start_at_zero_also_in_a_slice():
    index = pa.array([[5], [1, 2], []], pa.list_(pa.int32())).slice(1)
    value = pa.array([[9.0], [0.5, 0.25], []], pa.list_(pa.float32())).slice(1)
    indptr, indices, values = sparse_rows(index, value)
    assert (indptr.tolist(), indices.tolist(), values.tolist()) == ([0, 2, 2], [1, 2], [0.5, 0.25])


def test_lists_become_a_sparse_matrix_with_or_without_values():
    index = pa.array([[2], [0, 1], []], pa.list_(pa.int32()))
    value = pa.array([[9.0], [0.5, 0.25], []], pa.list_(pa.float32()))
    np.testing.assert_array_equal(csr_rows(index, value, 3).toarray(), [[0, 0, 9], [0.5, 0.25, 0], [0, 0, 0]])
    np.testing.assert_array_equal(csr_rows(index, None, 3).toarray(), [[0, 0, 1], [1, 1, 0], [0, 0, 0]])
    assert csr_rows(pa.chunked_array([], pa.list_(pa.int32())), None, 3).shape == (0, 3)


def test_no_rows():
    assert matrix(pa.chunked_array([], pa.list_(pa.float32()))).shape == (0, 0)


def test_what_belongs_to_a_row_becomes_its_list():
    rows, (names, values) = lists_of_rows(np.array([1, 1, 4]), [pa.array(["b", "a", "c"]), pa.array([3.0, 2.0, 1.0])])
    assert rows.tolist() == [1, 4]
    assert names.to_pylist() == [["b", "a"], ["c"]]
    assert values.to_pylist() == [[3.0, 2.0], [1.0]]


def test_no_values_make_no_lists():
    rows, (values,) = lists_of_rows(np.array([], np.int64), [pa.array([], pa.string())])
    assert (len(rows), values.to_pylist()) == (0, [])
