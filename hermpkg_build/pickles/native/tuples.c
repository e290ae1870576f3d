/* Tuples of atoms: which they are, and which of them are equal.
 *
 * Whether a tuple is looked into here follows from its value alone: those that are large or nested deep, with what
 * stands in them more than once counted as often, and those with atoms that are rare, are all left to Python. */

#include "pickle.h"

enum { MOST_ELEMENTS = 1000, MOST_LEVELS_OF_TUPLES = 16 };

static uint64_t bits_of(PyObject *number) {
    double value = PyFloat_AsDouble(number);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static size_t hash_of_int(PyObject *number) {
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    return overflow ? (size_t)PyObject_Hash(number) : mixed(1, (size_t)value);
}

static Way look_into(PyObject *tuple, size_t *hash, Py_ssize_t *left, int level) {
    Py_ssize_t index, count = PyTuple_Size(tuple);
    if (level > MOST_LEVELS_OF_TUPLES || (*left -= count) < 0) return BY_PYTHON;
    *hash = mixed(*hash, (size_t)count);
    for (index = 0; index < count; index++) {
        PyObject *part = PyTuple_GetItem(tuple, index);
        PyTypeObject *kind = Py_TYPE(part);
        if (kind == &PyUnicode_Type || kind == &PyBytes_Type) *hash = mixed(*hash, (size_t)PyObject_Hash(part));
        else if (kind == &PyLong_Type) *hash = mixed(*hash, hash_of_int(part));
        else if (kind == &PyFloat_Type) *hash = mixed(*hash, (size_t)bits_of(part));
        else if (part == Py_None || kind == &PyBool_Type) *hash = mixed(*hash, identity_hash(part));
        else if (kind == &PyTuple_Type) {
            Way way = look_into(part, hash, left, level + 1);
            if (way != BY_VALUE) return way;
        } else if (kind == &PyComplex_Type || kind == &PyFrozenSet_Type || part == Py_Ellipsis) return BY_PYTHON;
        else return BY_IDENTITY;
    }
    return BY_VALUE;
}

Way way_of_tuple(PyObject *tuple, size_t *hash) {
    Py_ssize_t left = MOST_ELEMENTS;
    *hash = 0;
    return look_into(tuple, hash, &left, 1);
}

static int equal_atoms(PyObject *one, PyObject *other) {
    PyTypeObject *kind = Py_TYPE(one);
    if (one == other) return 1;
    if (kind != Py_TYPE(other)) return 0;
    if (kind == &PyFloat_Type) return bits_of(one) == bits_of(other);
    if (kind == &PyTuple_Type) return equal_tuples(one, other);
    return PyObject_RichCompareBool(one, other, Py_EQ) == 1;
}

/* Whether two are equal that are compared by their values. */
int equal_tuples(PyObject *one, PyObject *other) {
    Py_ssize_t index, count = PyTuple_Size(one);
    if (count != PyTuple_Size(other)) return 0;
    for (index = 0; index < count; index++) {
        if (!equal_atoms(PyTuple_GetItem(one, index), PyTuple_GetItem(other, index))) return 0;
    }
    return 1;
}
