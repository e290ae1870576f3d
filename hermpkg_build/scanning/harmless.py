"""The classes and functions that a pickle may name and be called clean: they make values and nothing else.

This is the only list that safety rests on. Those of torch are the ones that ``torch.load(weights_only=True)``
takes; the tests compare them with the installed torch. A name is on it as a whole: ``torch.Size.__init__``
is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

GROUPS: Mapping[str, Mapping[str, str]] = {
    "containers, numbers and texts": {
        "builtins": """
            bool bytearray bytes complex dict float frozenset int list object range set slice str tuple
            Ellipsis NotImplemented
        """,
        "collections": "Counter OrderedDict defaultdict deque",
        "_codecs": "encode",
        "copyreg": "_reconstructor",
        "array": "array _array_reconstructor",
        "decimal": "Decimal",
        "fractions": "Fraction",
    },
    "times, identifiers and paths": {
        "datetime": "date datetime time timedelta timezone",
        "uuid": "UUID SafeUUID",
        "pathlib": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
        "pathlib._local": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
    },
    "arrays of numpy": {
        "numpy": """
            bool bool_ byte bytes_ cdouble clongdouble complex128 complex256 complex64 csingle
            datetime64 double dtype float128 float16 float32 float64 half int16 int32 int64 int8 int_
            intc intp long longdouble longlong ndarray object_ short single str_ timedelta64 ubyte uint
            uint16 uint32 uint64 uint8 uintc uintp ulong ulonglong unicode_ ushort void
        """,
        "numpy.core.multiarray": "_reconstruct scalar",
        "numpy._core.multiarray": "_reconstruct scalar",
        "numpy.core.numeric": "_frombuffer",
        "numpy._core.numeric": "_frombuffer",
        "numpy.dtypes": """
            BoolDType ByteDType BytesDType CLongDoubleDType Complex128DType Complex64DType
            DateTime64DType Float16DType Float32DType Float64DType Int16DType Int32DType Int64DType
            Int8DType IntDType LongDType LongDoubleDType LongLongDType ObjectDType ShortDType StrDType
            TimeDelta64DType UByteDType UInt16DType UInt32DType UInt64DType UInt8DType UIntDType
            ULongDType ULongLongDType UShortDType VoidDType
        """,
    },
    "arrays of joblib": {
        "joblib.numpy_pickle": "NumpyArrayWrapper",
    },
    "tensors of torch": {
        "torch": """
            Size Tensor device bfloat16 bool complex128 complex32 complex64 float16 float32 float64
            float4_e2m1fn_x2 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu
            int1 int16 int2 int3 int32 int4 int5 int6 int64 int7 int8 uint1 uint16 uint2 uint3 uint32
            uint4 uint5 uint6 uint64 uint7 uint8 qint32 qint8 quint2x4 quint4x2 quint8 bits16 bits1x8
            bits2x4 bits4x2 bits8 per_channel_affine per_channel_affine_float_qparams
            per_channel_symmetric per_tensor_affine per_tensor_symmetric BFloat16Storage BFloat16Tensor
            BoolStorage BoolTensor ByteStorage ByteTensor CharStorage CharTensor ComplexDoubleStorage
            ComplexFloatStorage DoubleStorage DoubleTensor FloatStorage FloatTensor HalfStorage
            HalfTensor IntStorage IntTensor LongStorage LongTensor QInt32Storage QInt8Storage
            QUInt2x4Storage QUInt4x2Storage QUInt8Storage ShortStorage ShortTensor
        """,
        "torch.cuda": """
            BFloat16Storage BFloat16Tensor BoolStorage BoolTensor ByteStorage ByteTensor CharStorage
            CharTensor ComplexDoubleStorage ComplexFloatStorage DoubleStorage DoubleTensor FloatStorage
            FloatTensor HalfStorage HalfTensor IntStorage IntTensor LongStorage LongTensor ShortStorage
            ShortTensor
        """,
        "torch.sparse": """
            BFloat16Tensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor
            LongTensor ShortTensor
        """,
        "torch.cuda.sparse": """
            BFloat16Tensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor
            LongTensor ShortTensor
        """,
        "torch.storage": "TypedStorage UntypedStorage",
        "torch.nn.parameter": "Parameter",
        "torch.serialization": "_get_layout",
        "torch._tensor": "_rebuild_from_type_v2",
        "torch._utils": """
            _rebuild_device_tensor_from_cpu_tensor _rebuild_device_tensor_from_numpy
            _rebuild_meta_tensor_no_storage _rebuild_nested_tensor _rebuild_parameter
            _rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor _rebuild_tensor
            _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_wrapper_subclass
        """,
    },
    "lists in TorchScript archives": {
        "torch.jit._pickle": """
            build_boollist build_doublelist build_intlist build_tensor_from_id build_tensorlist
            restore_type_tag
        """,
    },
}
"""Names by module, in the groups that the reference shows."""


@cache
def _names() -> frozenset[tuple[str, str]]:
    return frozenset(pair for modules in GROUPS.values() for pair in _pairs(modules))


def _pairs(modules: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for module, names in modules.items():
        yield from ((module, name) for name in names.split())


def is_harmless(module: str, name: str) -> bool:
    """Whether a pickle that calls the class or function with whatever arguments only makes a value.

    >>> is_harmless("collections", "OrderedDict"), is_harmless("collections", "OrderedDict.fromkeys")
    (True, False)
    """
    return (module, name) in _names()
