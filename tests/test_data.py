"""Where data may come from: frames, tensors, files and sparse matrices, used where they lie."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore._data import arrays as _arrays
from densecore._data import dataset as _data
from densecore._data import row_sources as _rows

F32 = np.dtype(np.float32)
ROWS, INPUTS = 70, 6
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, INPUTS)).astype(np.float32)
X[RNG.uniform(size=X.shape) < 0.5] = 0
LABELS = RNG.integers(0, 3, ROWS)


def as_x(value: Any, dtype: str = "float32") -> Any:
    return _rows.as_rows("x", value, np.dtype(dtype), None)


def make(dtype: str = "float32", units: int = 3, metrics: Any = ("accuracy",)) -> dc.Sequential:
    layers = [dc.Input(INPUTS), dc.Dense(4, "tanh"), dc.Dense(units, "softmax")]
    model = dc.Sequential(layers, dtype=dtype, seed=0)
    model.compile(dc.optimizers.SGD(0.1), "sparse_categorical_crossentropy", list(metrics))
    return model


# Frames -------------------------------------------------------------------------------------------


def test_pandas_frames() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, copy=False)
    assert np.shares_memory(as_x(frame), frame.to_numpy())
    mixed = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False],
                          "d": pd.array([3, None], "Int64"),
                          "e": pd.array([True, False], "boolean"),
                          "f": np.array([1.5, 2], object)})  # fmt: skip
    expected = [[1, 0.5, 1, 3, 1, 1.5], [2, 1.5, 0, np.nan, 0, 2]]
    np.testing.assert_array_equal(as_x(mixed), np.array(expected, np.float32))
    model, plain = make(), make()
    model.fit(frame, pd.Series(LABELS), sample_weight=pd.Series(np.ones(ROWS)), verbose=0)
    plain.fit(X, LABELS, sample_weight=np.ones(ROWS), verbose=0)
    assert model.parameters.tobytes() == plain.parameters.tobytes()


@pytest.mark.parametrize("kind", ["str", "object", "category", "datetime", "numeric category"])
def test_pandas_columns_that_are_not_numbers(kind: str) -> None:
    pd = pytest.importorskip("pandas")
    columns = {
        "str": pd.Series(["red", "blue"]),
        "object": pd.Series(["red", 1], dtype=object),
        "category": pd.Series(["red", "blue"], dtype="category"),
        "numeric category": pd.Series([1, 2], dtype="category"),
        "datetime": pd.Series(pd.to_datetime(["2020-01-01", "2020-01-02"])),
    }
    frame = pd.DataFrame({"size": [1.0, 2.0], "colour": columns[kind]})
    dtype = str(frame.dtypes["colour"])
    with pytest.raises(TypeError, match="x: found column 'colour' of dtype") as error:
        as_x(frame)
    assert dtype in str(error.value)
    with pytest.raises(TypeError, match="y: found column 'colour' of dtype"):
        make().fit(np.zeros((2, INPUTS)), frame["colour"], verbose=0)


def test_polars_frames() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": [1, None], "b": [0.5, 1.5], "c": [True, False]})
    expected = np.array([[1, 0.5, 1], [np.nan, 1.5, 0]], np.float32)
    np.testing.assert_array_equal(as_x(frame), expected)
    series = pl.Series("y", LABELS)
    assert np.shares_memory(_arrays._numeric("y", series), series.to_numpy())
    text = pl.DataFrame({"a": [1, 2], "colour": ["red", "blue"]})
    with pytest.raises(TypeError, match="x: found column 'colour' of dtype String"):
        as_x(text)
    with pytest.raises(TypeError, match=r"x: found a polars LazyFrame, wanted its collect\(\)"):
        as_x(text.lazy())
    model, plain = make(), make()
    model.fit(pl.DataFrame(X), series, verbose=0)
    plain.fit(X, LABELS, verbose=0)
    assert model.parameters.tobytes() == plain.parameters.tobytes()


# Tensors ------------------------------------------------------------------------------------------


def test_torch_tensors() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(X)
    assert np.shares_memory(as_x(tensor), X)
    np.testing.assert_array_equal(as_x(tensor.double()), X)
    np.testing.assert_array_equal(as_x(tensor.T.contiguous().T), X)
    model, plain = make(), make()
    model.fit(tensor, torch.from_numpy(LABELS), verbose=0)
    plain.fit(X, LABELS, verbose=0)
    assert model.parameters.tobytes() == plain.parameters.tobytes()
    for bad, text in [
        (torch.zeros(2, INPUTS, device="meta"), r"on meta, wanted .* \(tensor.cpu\(\)"),
        (torch.zeros(2, INPUTS, requires_grad=True), r"requires a gradient, .*tensor.detach\(\)"),
        (torch.zeros(2, INPUTS, dtype=torch.bfloat16), r"torch.bfloat16.*tensor.float\(\)"),
        (torch.eye(INPUTS).to_sparse(), r"sparse.*tensor.to_dense\(\)"),
    ]:
        with pytest.raises(TypeError, match=text) as error:
            as_x(bad)
        assert str(error.value).startswith("x: found a torch tensor")


def test_jax_arrays() -> None:
    jnp = pytest.importorskip("jax.numpy")
    array = jnp.asarray(X)
    found = as_x(array)
    assert found.ctypes.data == array.unsafe_buffer_pointer()
    np.testing.assert_array_equal(found, X)


class Exported:
    """As little as DLPack wants: an array of some library."""

    def __init__(self, array: Any, device: int) -> None:
        self.array, self.place = array, device

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.place, 0


def test_dlpack() -> None:
    x = X.copy()
    assert np.shares_memory(as_x(Exported(x, 1)), x)
    with pytest.raises(TypeError, match="x: found an array on the device 2:0, wanted one in the"):
        as_x(Exported(x, 2))


# Files --------------------------------------------------------------------------------------------


def mapped(path: Path, array: Any) -> Any:
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def test_maps_of_the_dtype_are_used_where_they_lie(tmp_path: Path) -> None:
    x = mapped(tmp_path / "x.npy", X)
    for view in (x, x[5:50], np.asarray(x)):
        found = as_x(view)
        assert isinstance(found, np.ndarray)
        assert np.shares_memory(found, view)
    data = _data.prepare(as_x(x), LABELS, None, None, dtype=F32, outputs=3, sparse=True)
    for half in data.split(0.3):
        assert np.shares_memory(half.x, x)


def test_targets_in_a_map_are_used_where_they_lie(tmp_path: Path) -> None:
    y = mapped(tmp_path / "y.npy", X)
    assert np.shares_memory(_arrays.as_targets(y, F32, ROWS, INPUTS), y)


def test_a_misaligned_map_is_read_by_batch(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"!" + X.tobytes())
    x = np.memmap(tmp_path / "x", np.float32, "r", offset=1, shape=X.shape)
    assert not x.flags.aligned
    assert as_x(x).read(0, ROWS).tobytes() == X.tobytes()
    assert make().predict(x).tobytes() == make().predict(X).tobytes()


NUMBERS = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("layout", ["C", "F", "every second", "columns"])
def test_maps_of_other_dtypes_are_converted_by_batch(
    tmp_path: Path, number: str, layout: str, dtype: str
) -> None:
    values = RNG.integers(-120, 120, size=(ROWS, INPUTS)).astype(np.int8).view("u1").astype(number)
    if number[0] == "f":
        values = (RNG.normal(size=(ROWS, INPUTS)) * 3).astype(number)
    x = mapped(tmp_path / "x.npy", np.asfortranarray(values) if layout == "F" else values)
    if layout == "every second":
        x, values = x[::2], values[::2]
    if layout == "columns":
        x, values = x[:, ::-1], values[:, ::-1]
    found, expected = as_x(x, dtype), np.ascontiguousarray(values.astype(dtype))
    if layout == "C" and x.dtype == np.dtype(dtype):
        assert isinstance(found, np.ndarray)
        return
    assert not isinstance(found, np.ndarray)
    assert found.shape == values.shape
    assert len(found) == len(values)
    assert found.read(0, len(values)).tobytes() == expected.tobytes()
    assert found.slice(3, 20).read(1, 9).tobytes() == expected[4:12].tobytes()
    with pytest.raises(IndexError, match="found 3 to 99"):
        found.read(3, 99)
    y = LABELS[: len(values)]
    for batch_size, shuffle in ((1, True), (16, False), (16, True)):
        same_training(x, expected, y, dtype, batch_size=batch_size, shuffle=shuffle)


def same_training(x: Any, dense: Any, y: Any, dtype: str, **options: Any) -> None:
    """All that reads x gives the bits that the dense array gives."""
    for metrics in ((), ("accuracy", "auc")):
        one, other = (make(dtype, metrics=metrics) for _ in range(2))
        options = {"verbose": 0, "epochs": 2, "validation_split": 0.3, **options}
        assert one.fit(x, y, **options).history == other.fit(dense, y, **options).history
        assert one.parameters.tobytes() == other.parameters.tobytes()
        assert one.evaluate(x, y) == other.evaluate(dense, y)
        assert one.predict(x).tobytes() == other.predict(dense).tobytes()


def test_every_half_precision_number(tmp_path: Path) -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(-1, 8)
    found = as_x(mapped(tmp_path / "x.npy", halves)).read(0, len(halves))
    np.testing.assert_array_equal(found, halves.astype(np.float32))
    finite = np.isfinite(found)
    assert (np.signbit(found) == np.signbit(halves))[finite].all()


def test_maps_in_another_order_of_bytes_are_converted_at_once(tmp_path: Path) -> None:
    found = as_x(mapped(tmp_path / "x.npy", X.astype(">f8")))
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, X)


def test_overflow_in_a_map_stops_the_training(tmp_path: Path) -> None:
    values = X.astype(np.float64)
    values[40, 2] = 1e39
    x = mapped(tmp_path / "x.npy", values)
    for call in (
        lambda m: m.fit(x, LABELS, verbose=0, validation_split=0.5),
        lambda m: m.predict(x),
    ):
        with pytest.raises(ValueError, match=r"x: found 1e\+39 in row 40, which overflows float32"):
            call(make())
    values[40, 2] = np.inf
    np.save(tmp_path / "x.npy", values)
    assert make().predict(np.load(tmp_path / "x.npy", mmap_mode="r")).shape == (ROWS, 3)


LARGE = """
import resource, sys, numpy as np, densecore as dc
path, dtype = sys.argv[1:]
rows, columns = 2**30 // (1024 * np.dtype(dtype).itemsize), 1024
x = np.memmap(path, dtype, "r", shape=(rows, columns))
y = np.zeros(rows, np.float32)
model = dc.Sequential([dc.Input(columns), dc.Dense(1)], seed=0)
model.compile("sgd", "mse")
model.fit(x[:1000], y[:1000], 512, verbose=0)
# Memory of its own, as the pages of the file are the system's, to be dropped at will.
own = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmData")]
limit = int(own[0]) * 1024 + 200 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
for shuffle in (False, True):
    model.fit(x, y, 512, shuffle=shuffle, validation_split=0.25, verbose=0)
model.evaluate(x, y)
model.predict(x)
"""


@pytest.mark.measures
@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's limits")
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_large_file_is_never_in_memory(tmp_path: Path, dtype: str) -> None:
    """1 GiB that the disk does not hold, a sparse file, with 200 MiB of memory to be had."""
    path = tmp_path / "x"
    with open(path, "wb") as file:
        file.truncate(2**30)
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(path), dtype],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# Sparse matrices ----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"batch_size": 1}, {"batch_size": 1, "shuffle": False},
                                     {"batch_size": 16}, {"batch_size": 16, "shuffle": False}],
                         ids=str)  # fmt: skip
@pytest.mark.parametrize("kind", ["csr_matrix", "csr_array", "csc_array", "coo_array", "lil_array"])
def test_sparse_matrices_train_as_dense_ones(
    kind: str, options: dict[str, Any], dtype: str
) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    dense = X.astype(dtype)
    same_training(getattr(sparse, kind)(dense), dense, LABELS, dtype, **options)


def test_batches_may_be_sparse_matrices_and_maps(tmp_path: Path) -> None:
    """Also those whose rows are made when a step needs them."""
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_array(X.astype(np.float64))
    wide = mapped(tmp_path / "x.npy", X.astype(np.float64))
    expected = make()
    numbers = expected.fit([(X[:35], LABELS[:35]), (X[35:], LABELS[35:])], verbose=0).history
    for x in (matrix, wide):
        model = make()
        batches = [(x[:35], LABELS[:35]), (x[35:], LABELS[35:])]
        assert model.fit(batches, verbose=0).history == numbers
        assert (model.parameters == expected.parameters).all()
        whole = expected.evaluate(X, LABELS)
        assert model.evaluate(iter(batches)) == pytest.approx(whole, rel=1e-12)


def test_sparse_matrices_of_other_kinds() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    # What is stored twice is added up, before it is rounded.
    doubled = sparse.coo_array(([1.0, 2.0**-24, 3.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 3))
    twice = sparse.csr_array((np.array([1, 2.0**-24, 3]), np.array([1, 1, 0]), np.array([0, 2, 3])))
    before = twice.copy()
    single = sparse.csr_array((twice.data.astype(F32), twice.indices, twice.indptr))
    for matrix in (doubled, twice, single, sparse.csr_array(np.eye(3, dtype=bool)),
                   sparse.csr_array(np.eye(3, dtype=np.int64) * 7)):  # fmt: skip
        expected = matrix.toarray().astype(np.float32)
        assert as_x(matrix).read(0, len(expected)).tobytes() == expected.tobytes()
    assert (twice.data == before.data).all()
    assert len(twice.data) == 3
    wide = sparse.csr_array(X)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    assert as_x(wide).read(0, ROWS).tobytes() == X.tobytes()
    assert make().predict(sparse.csr_array(X)[:1]).tobytes() == make().predict(X[:1]).tobytes()
    assert make().predict(sparse.csr_array((0, INPUTS), dtype=F32)).shape == (0, 3)


def test_the_values_of_a_sparse_matrix_are_not_copied() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_array(X)
    rows = as_x(matrix)
    first = rows.read(0, 1)
    matrix.data *= 2
    np.testing.assert_array_equal(rows.read(0, 1), 2 * first)


def test_sparse_matrices_that_are_refused() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    matrix, y = sparse.csr_array(X), LABELS.astype(np.int32)
    assert make().train_on_batch(matrix, y) == make().train_on_batch(X, y)
    model = make(metrics=())
    with pytest.raises(TypeError, match=r"x: found csr_array, wanted a numpy.ndarray"):
        model.make_train_step(matrix, y)
    with pytest.raises(TypeError, match=r"x: found RowsF32, wanted a numpy.ndarray"):
        model.make_train_step(as_x(matrix), y)
    with pytest.raises(TypeError, match=r"y: found a sparse csr_array, .*y.toarray\(\)"):
        model.fit(X, matrix, verbose=0)
    with pytest.raises(ValueError, match=rf"x: found shape \({ROWS}, 5\), wanted \(rows, {INPUTS}"):
        model.fit(sparse.csr_array(X[:, :5]), LABELS, verbose=0)
    with pytest.raises(ValueError, match=rf"x: found 5 columns, wanted {INPUTS}"):
        model._network.predict(as_x(sparse.csr_array(X[:, :5])), None)
    with pytest.raises(TypeError, match="x: found dtype complex128, wanted real numbers"):
        as_x(sparse.csr_array(X.astype(complex)))
    outside = matrix.copy()
    outside.indices[3] = INPUTS
    with pytest.raises(ValueError, match=f"x: found a sparse matrix with column {INPUTS}, wanted"):
        as_x(outside)
    outside = matrix.copy()
    outside.indptr[2] = 10_000
    with pytest.raises(ValueError, match="x: found a sparse matrix whose indptr leads outside"):
        as_x(outside)
    with pytest.raises(ValueError, match=r"found 70 rows, too few to split off"):
        model.fit(matrix, LABELS, validation_split=0.999, verbose=0)


def test_a_model_takes_its_inputs_from_a_sparse_matrix() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    model = dc.Sequential([dc.Dense(3, "softmax")], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(sparse.csr_array(X), LABELS, verbose=0)
    assert model.input_shape == (None, INPUTS)


# Shapes and targets -------------------------------------------------------------------------------


def test_further_axes_become_one_without_a_copy(tmp_path: Path) -> None:
    images = X.reshape(ROWS, 2, 3)
    for value in (images, mapped(tmp_path / "x.npy", images)):
        found = _rows.as_rows("x", value, F32, (2, 3))
        assert np.shares_memory(found, value)
        np.testing.assert_array_equal(found, X)
        with pytest.raises(ValueError, match=r"x: found shape \(70, 2, 3\), wanted \(rows, 6\)"):
            _rows.as_rows("x", value, F32, (INPUTS,))
    bytes_ = mapped(tmp_path / "b.npy", images.astype(np.int8))
    found = _rows.as_rows("x", bytes_, F32, (2, 3))
    np.testing.assert_array_equal(found.read(0, ROWS), X.astype(np.int8))
    with pytest.raises(ValueError, match=r"x: found shape \(70, 2, 3\), wanted \(rows, 7, 1\)"):
        _rows.as_rows("x", images, F32, (7, 1))


def test_truth_values_are_targets() -> None:
    a, b = make(units=2), make(units=2)
    a.fit(X, LABELS > 1, verbose=0)
    b.fit(X, (LABELS > 1).astype(int), verbose=0)
    assert a.parameters.tobytes() == b.parameters.tobytes()


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (np.array(["cat", "dog"] * 35), r"y: found text \(cat\).*numpy.unique\(y, return_inverse"),
        (["cat", "dog"] * 35, r"y: found text \(cat\), wanted real numbers"),
        (np.full(ROWS, np.nan), "y: found class nan in row 0, wanted class numbers 0 to 2"),
        (np.zeros(ROWS, "M8[s]"), "y: found dtype datetime64"),
    ],
)
def test_class_numbers_that_are_none(y: Any, text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        make().fit(X, y, verbose=0)


@pytest.mark.parametrize(
    "kind", ["int64", "int32", "int8", ">i4", "uint16", "uint64", "bool", "f2", "f4", ">f8", "g"]
)
def test_class_numbers_of_every_type(kind: str) -> None:
    labels = np.array([[0], [1], [1], [0]]).astype(kind)
    for given in (labels, labels[::-1, 0]):  # not contiguous either
        found = _arrays.as_labels(given, 4, 2)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, given.reshape(-1).astype(int))
    with pytest.raises(ValueError, match="y: found class 1 in row 1, wanted class numbers 0 to 0"):
        _arrays.as_labels(labels, 4, 1)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (-1, "-1"),
        (3, "3"),
        (2**32 + 1, "4294967297"),  # its lower half is a class
        (2**40, "1099511627776"),
        (-(2**63), "-9223372036854775808"),
    ],
)
def test_calls_that_convert_say_the_same_as_those_that_do_not(bad: int, said: str) -> None:
    model, labels = make(), LABELS.astype(np.int64)
    labels[7] = bad
    text = f"y: found class {said} in row 7, wanted class numbers 0 to 2, one per output"
    for call in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(ValueError, match=f"^{text}$"):
            call(X, labels)
    weights = np.ones(ROWS)
    weights[3] = -1
    text = "sample_weight: found -1 in row 3, wanted finite numbers >= 0"
    for call in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(ValueError, match=f"^{text}$"):
            call(X, LABELS, sample_weight=weights)


def test_large_class_numbers_of_floats_are_found() -> None:
    for bad in (2.0**31, 1e300, np.inf, -0.5, 1.5):
        with pytest.raises(ValueError, match=r"y: found class .* in row 1, wanted class numbers"):
            _arrays.as_labels(np.array([0.0, bad]), 2, 2)
    with pytest.raises(ValueError, match=r"y: found class 1.*e\+19 in row 0, wanted"):
        _arrays.as_labels(np.array([2**64 - 1], np.uint64), 1, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_targets_must_be_finite(bad: float, dtype: str) -> None:
    model = dc.Sequential([dc.Input(INPUTS), dc.Dense(2)], dtype=dtype)
    model.compile("sgd", "mse")
    y = np.ones((ROWS, 2))
    y[7, 1] = bad
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=f"y: found {bad} in row 7, wanted finite numbers"):
            call(X, y, verbose=0)
    # So many that they are not looked at all at once.
    many = np.ones((70_001, 2), dtype)
    many[-1, 1] = bad
    for data in (many, np.asfortranarray(many)):
        with pytest.raises(ValueError, match=f"y: found {bad} in row 70000, wanted finite numbers"):
            model.evaluate(np.zeros((70_001, INPUTS), dtype), data, verbose=0)
    # Large ones are, even when their sum is not.
    if dtype == "float64":
        model.evaluate(X, np.full((ROWS, 2), 1e308))
