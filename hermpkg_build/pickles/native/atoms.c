/* Writes values, and references to what was written. */

#include "pickle.h"

enum { BIG = 1 << 16 };

int emit(Pickle *pickle, const char *data, Py_ssize_t size) {
    if (size > pickle->room - pickle->size) {
        Py_ssize_t room = pickle->room + pickle->room / 2;
        char *larger = NULL;
        if (size <= PY_SSIZE_T_MAX / 4 && pickle->size <= PY_SSIZE_T_MAX / 4) {
            if (room < pickle->size + size) room = pickle->size + size + 1024;
            larger = PyMem_Realloc(pickle->bytes, (size_t)room);
        }
        if (!larger) {
            PyErr_NoMemory();
            return -1;
        }
        pickle->bytes = larger;
        pickle->room = room;
    }
    memcpy(pickle->bytes + pickle->size, data, (size_t)size);
    pickle->size += size;
    return 0;
}

int emit_object(Pickle *pickle, PyObject *data) {
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(data, &bytes, &size) < 0) return -1;
    return emit(pickle, bytes, size);
}

static void little_endian(char *target, unsigned long long value, int size) {
    for (; size > 0; size--, value >>= 8) *target++ = (char)(value & 0xFF);
}

int splice(Pickle *pickle, Py_ssize_t offset, Inserted kind, Py_ssize_t number, PyObject *data) {
    Splice *all = with_room(pickle->splices, pickle->splices_count, &pickle->splices_room, sizeof *all);
    if (!all) return -1;
    pickle->splices = all;
    all[pickle->splices_count++] = (Splice){offset, number, kind, data};
    Py_XINCREF(data);
    return 0;
}

/* Write a reference to what has this place; the first gives it its number. */
int refer(Pickle *pickle, Py_ssize_t *place) {
    char data[5];
    if (*place >= 0) {
        if (pickle->numbers > 0xFFFFFFFFLL) {
            PyErr_SetString(PyExc_OverflowError, "a pickle cannot refer to more than 4,294,967,296 objects");
            return -1;
        }
        if (splice(pickle, *place, MEMO, pickle->numbers, NULL) < 0) return -1;
        *place = ~pickle->numbers++;
    }
    data[0] = ~*place < 256 ? 'h' : 'j';
    little_endian(data + 1, (unsigned long long)~*place, 4);
    return emit(pickle, data, ~*place < 256 ? 2 : 5);
}

int write_block(Pickle *pickle, PyObject *header, PyObject *data) {
    if (emit_object(pickle, header) < 0) return -1;
    if (PyBytes_Size(data) < BIG) return emit_object(pickle, data);
    return splice(pickle, pickle->size, DATA, 0, data); /* Big data is copied once, in the end. */
}

/* What Python makes of a value that is rare, as a new reference. */
static PyObject *encoded(Pickle *pickle, PyObject *value) {
    PyObject *encode = PyDict_GetItemWithError(pickle->encoders, (PyObject *)Py_TYPE(value));
    if (encode) return PyObject_CallFunctionObjArgs(encode, value, NULL);
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, "an encoder");
    return NULL;
}

static int write_encoded(Pickle *pickle, PyObject *value) {
    PyObject *data = encoded(pickle, value);
    int done = data ? emit_object(pickle, data) : -1;
    Py_XDECREF(data);
    return done;
}

int write_int(Pickle *pickle, PyObject *value) {
    char data[10];
    int overflow, size = 1;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow) return write_encoded(pickle, value);
    if (number >= 0 && number < 1 << 16) {
        data[0] = number < 256 ? 'K' : 'M';
        little_endian(data + 1, (unsigned long long)number, 2);
        return emit(pickle, data, number < 256 ? 2 : 3);
    }
    if (number >= INT32_MIN && number <= INT32_MAX) {
        data[0] = 'J';
        little_endian(data + 1, (unsigned long long)number, 4);
        return emit(pickle, data, 5);
    }
    while (size < 8 && (number < 0 ? ~number : number) >> (8 * size - 1)) size++;
    data[0] = '\x8a';
    data[1] = (char)size;
    little_endian(data + 2, (unsigned long long)number, size);
    return emit(pickle, data, 2 + size);
}

int write_float(Pickle *pickle, PyObject *value) {
    double number = PyFloat_AsDouble(value);
    char data[9] = {'G'};
    uint64_t bits;
    int index;
    memcpy(&bits, &number, sizeof bits);
    for (index = 8; index; index--, bits >>= 8) data[index] = (char)(bits & 0xFF);
    return emit(pickle, data, 9);
}

static int write_new_text(Pickle *pickle, PyObject *text) {
    Py_ssize_t size;
    const char *data;
    char header[5] = {'X'};
    /* Longer ones would keep a second copy, unless they are ASCII. */
    if (PyUnicode_GetLength(text) >= BIG) return write_encoded(pickle, text);
    data = PyUnicode_AsUTF8AndSize(text, &size);
    if (!data) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return -1;
        PyErr_Clear(); /* It has lone surrogates. */
        return write_encoded(pickle, text);
    }
    if (pickle->protocol >= 4 && size < 256) {
        header[0] = '\x8c';
        header[1] = (char)size;
        if (emit(pickle, header, 2) < 0) return -1;
    } else {
        little_endian(header + 1, (unsigned long long)size, 4);
        if (emit(pickle, header, 5) < 0) return -1;
    }
    return emit(pickle, data, size);
}

int write_text(Pickle *pickle, PyObject *text) {
    size_t hash = (size_t)PyObject_Hash(text);
    Entry *known = find(&pickle->texts, text, hash);
    if (known) return refer(pickle, &known->place);
    return write_new_text(pickle, text) < 0 ? -1 : add(&pickle->texts, text, hash, pickle->size);
}

int write_byte_string(Pickle *pickle, PyObject *data) {
    size_t hash = (size_t)PyObject_Hash(data);
    Entry *known = find(&pickle->byte_strings, data, hash);
    PyObject *header;
    int done;
    if (known) return refer(pickle, &known->place);
    header = encoded(pickle, data);
    done = header ? write_block(pickle, header, data) : -1;
    Py_XDECREF(header);
    return done < 0 ? -1 : add(&pickle->byte_strings, data, hash, pickle->size);
}
