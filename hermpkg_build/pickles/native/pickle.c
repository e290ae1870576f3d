/* The type hermpkg_speed.Pickle: the pickle under construction, as `output.py` has it in Python. */

#include "pickle.h"
#include <structmember.h>

static int equal_values(PyObject *one, PyObject *other) { return PyObject_RichCompareBool(one, other, Py_EQ) == 1; }

static PyObject *none_if(int done) {
    if (done < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *append(PyObject *self, PyObject *data) { return none_if(emit_object((Pickle *)self, data)); }

static PyObject *block(PyObject *self, PyObject *arguments) {
    PyObject *header, *data;
    if (!PyArg_ParseTuple(arguments, "SS:block", &header, &data)) return NULL;
    return none_if(write_block((Pickle *)self, header, data));
}

static PyObject *text(PyObject *self, PyObject *value) {
    if (Py_TYPE(value) != &PyUnicode_Type) return PyErr_Format(PyExc_TypeError, "not a string");
    return none_if(write_text((Pickle *)self, value));
}

static PyObject *byte_string(PyObject *self, PyObject *value) {
    if (Py_TYPE(value) != &PyBytes_Type) return PyErr_Format(PyExc_TypeError, "not bytes");
    return none_if(write_byte_string((Pickle *)self, value));
}

static PyObject *memoise_object(PyObject *self, PyObject *obj) { return none_if(memoise((Pickle *)self, obj)); }

static PyObject *is_memoised(PyObject *self, PyObject *obj) {
    return PyBool_FromLong(written((Pickle *)self, obj) != NULL);
}

static PyObject *refer_to(PyObject *self, PyObject *obj) {
    Entry *known = written((Pickle *)self, obj);
    if (known && refer((Pickle *)self, &known->place) < 0) return NULL;
    return PyBool_FromLong(known != NULL);
}

static int set_value(Pickle *pickle, PyObject *key, Py_ssize_t place) {
    PyObject *found = PyLong_FromSsize_t(place);
    int done = found ? PyDict_SetItem(pickle->values, key, found) : -1;
    Py_XDECREF(found);
    return done;
}

static PyObject *memoise_value(PyObject *self, PyObject *key) {
    return none_if(set_value((Pickle *)self, key, ((Pickle *)self)->size));
}

static PyObject *refer_to_value(PyObject *self, PyObject *key) {
    Pickle *pickle = (Pickle *)self;
    PyObject *known = PyDict_GetItemWithError(pickle->values, key);
    Py_ssize_t place, before;
    if (!known) return PyErr_Occurred() ? NULL : PyBool_FromLong(0);
    place = before = PyLong_AsSsize_t(known);
    if (refer(pickle, &place) < 0 || (place != before && set_value(pickle, key, place) < 0)) return NULL;
    return PyBool_FromLong(1);
}

/* Have instances of a plain class written here from now on, whose name has `key`, where that was referred to. */
static PyObject *take_class(PyObject *self, PyObject *arguments) {
    Pickle *pickle = (Pickle *)self;
    PyObject *kind, *key, *known;
    Py_ssize_t place;
    if (!PyArg_ParseTuple(arguments, "OO:take_class", &kind, &key)) return NULL;
    known = PyDict_GetItemWithError(pickle->values, key);
    if (!known && PyErr_Occurred()) return NULL;
    place = known ? PyLong_AsSsize_t(known) : 0;
    return none_if(place < 0 ? add(&pickle->classes, kind, identity_hash(kind), place) : 0);
}

static PyObject *fill(PyObject *self, PyObject *arguments) {
    PyObject *children, *closing, *walk;
    if (!PyArg_ParseTuple(arguments, "OS:fill", &children, &closing)) return NULL;
    if (Py_TYPE(children) == &PyTuple_Type) Py_INCREF(children);
    else children = PySequence_List(children);
    walk = children ? new_walk((Pickle *)self, children, closing) : NULL;
    Py_XDECREF(children);
    return walk;
}

static PyObject *storage_key(PyObject *self, PyObject *key) {
    Pickle *pickle = (Pickle *)self;
    StorageKey *all = with_room(pickle->storages, pickle->storages_count, &pickle->storages_room, sizeof *all);
    int32_t number = (int32_t)PyLong_AsLong(key);
    char data[5] = {'J', (char)number, (char)(number >> 8), (char)(number >> 16), (char)(number >> 24)};
    if (!all) return NULL;
    pickle->storages = all;
    if (PyErr_Occurred()) return NULL;
    all += pickle->storages_count++;
    all->offset = pickle->size;
    Py_INCREF(all->key = key);
    return none_if(emit(pickle, data, 5));
}

static PyObject *settle(PyObject *self, PyObject *nothing) {
    (void)self;
    (void)nothing;
    Py_RETURN_NONE; /* Everything has its entry from its beginning. */
}

static int compare_splices(const void *one, const void *other) {
    const Splice *left = one, *right = other;
    if (left->offset != right->offset) return left->offset < right->offset ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

static Py_ssize_t size_of(const Splice *splice) {
    return splice->data ? PyBytes_Size(splice->data) : splice->number < 256 ? 2 : 5;
}

static char *put(char *target, const Splice *splice) {
    Py_ssize_t number = splice->number;
    int index;
    if (splice->data) return (char *)memcpy(target, PyBytes_AsString(splice->data), (size_t)size_of(splice)) + size_of(splice);
    *target++ = number < 256 ? 'q' : 'r';
    for (index = 1; index < size_of(splice); index++, number >>= 8) *target++ = (char)(number & 0xFF);
    return target;
}

/* The whole, with everything put in. */
static PyObject *joined(const Pickle *pickle) {
    Py_ssize_t index, size = pickle->size, copied = 0;
    PyObject *whole;
    char *target;
    for (index = 0; index < pickle->splices_count; index++) {
        if (size > PY_SSIZE_T_MAX - size_of(&pickle->splices[index])) return PyErr_NoMemory();
        size += size_of(&pickle->splices[index]);
    }
    whole = PyBytes_FromStringAndSize(NULL, size);
    if (!whole) return NULL;
    target = PyBytes_AsString(whole);
    for (index = 0; index < pickle->splices_count; index++) {
        const Splice *splice = &pickle->splices[index];
        memcpy(target, pickle->bytes + copied, (size_t)(splice->offset - copied));
        target = put(target + (splice->offset - copied), splice);
        copied = splice->offset;
    }
    memcpy(target, pickle->bytes + copied, (size_t)(pickle->size - copied));
    return whole;
}

/* The offset of each storage's number in the whole, with that number. */
static PyObject *storage_offsets(const Pickle *pickle) {
    PyObject *found = PyTuple_New(pickle->storages_count);
    Py_ssize_t index, splice = 0, before = 0;
    for (index = 0; found && index < pickle->storages_count; index++) {
        const StorageKey *storage = &pickle->storages[index];
        PyObject *pair;
        for (; splice < pickle->splices_count && pickle->splices[splice].offset <= storage->offset; splice++) {
            before += size_of(&pickle->splices[splice]);
        }
        pair = Py_BuildValue("(nO)", storage->offset + before + 1, storage->key);
        if (!pair || PyTuple_SetItem(found, index, pair) < 0) Py_CLEAR(found);
    }
    return found;
}

static PyObject *finish(PyObject *self, PyObject *nothing) {
    Pickle *pickle = (Pickle *)self;
    PyObject *whole, *offsets;
    (void)nothing;
    if (pickle->splices_count) qsort(pickle->splices, (size_t)pickle->splices_count, sizeof(Splice), compare_splices);
    whole = joined(pickle);
    offsets = whole ? storage_offsets(pickle) : NULL;
    if (offsets) return Py_BuildValue("(NN)", whole, offsets);
    Py_XDECREF(whole);
    return NULL;
}

static void free_pickle(PyObject *self) {
    Pickle *pickle = (Pickle *)self;
    PyTypeObject *kind = Py_TYPE(self);
    Table *tables[] = {&pickle->identities, &pickle->texts, &pickle->byte_strings, &pickle->tuples, &pickle->classes};
    PyObject *objects[] = {pickle->values,      pickle->alive,        pickle->encode_int,
                           pickle->encode_text, pickle->bytes_header, pickle->walk_type};
    size_t index;
    for (index = 0; index < sizeof tables / sizeof *tables; index++) clear_table(tables[index]);
    for (index = 0; index < sizeof objects / sizeof *objects; index++) Py_XDECREF(objects[index]);
    while (pickle->splices_count) Py_XDECREF(pickle->splices[--pickle->splices_count].data);
    while (pickle->storages_count) Py_DECREF(pickle->storages[--pickle->storages_count].key);
    PyMem_Free(pickle->splices);
    PyMem_Free(pickle->storages);
    PyMem_Free(pickle->bytes);
    PyObject_Free(self);
    Py_DECREF((PyObject *)kind);
}

static PyObject *new_pickle(PyTypeObject *kind, PyObject *arguments, PyObject *named) {
    PyObject *encode_int, *encode_text, *bytes_header;
    Pickle *pickle;
    int protocol;
    Py_ssize_t deepest;
    (void)named;
    if (!PyArg_ParseTuple(arguments, "inOOO:Pickle", &protocol, &deepest, &encode_int, &encode_text, &bytes_header)) return NULL;
    pickle = (Pickle *)PyType_GenericAlloc(kind, 0);
    if (!pickle) return NULL;
    pickle->protocol = protocol;
    pickle->deepest = deepest;
    Py_INCREF(pickle->encode_int = encode_int);
    Py_INCREF(pickle->encode_text = encode_text);
    Py_INCREF(pickle->bytes_header = bytes_header);
    pickle->texts.equal = pickle->byte_strings.equal = equal_values;
    pickle->tuples.equal = equal_tuples;
    pickle->values = PyDict_New();
    pickle->alive = PyList_New(0);
    pickle->walk_type = PyObject_GetAttrString((PyObject *)kind, "Walk");
    if (!pickle->values || !pickle->alive || !pickle->walk_type || emit_byte(pickle, '\x80') < 0
        || emit_byte(pickle, (char)protocol) < 0) {
        Py_CLEAR(pickle);
    }
    return (PyObject *)pickle;
}

static PyMethodDef methods[] = {
    {"append", append, METH_O, "Write bytes."},
    {"block", block, METH_VARARGS, "Write an opcode with its data."},
    {"text", text, METH_O, "Write a string."},
    {"byte_string", byte_string, METH_O, "Write a bytes object."},
    {"memoise", memoise_object, METH_O, "Remember that the stack has this object on it."},
    {"is_memoised", is_memoised, METH_O, "Whether an object can be fetched by its identity."},
    {"refer", refer_to, METH_O, "Write a reference to an object; False where there is none."},
    {"memoise_value", memoise_value, METH_O, "Remember that the stack has the value with this key on it."},
    {"refer_to_value", refer_to_value, METH_O, "Write a reference to a value; False where there is none."},
    {"take_class", take_class, METH_VARARGS, "Have instances of a plain class written here, by the key of its name."},
    {"fill", fill, METH_VARARGS, "Write children, and what closes them; yields those that Python has to write."},
    {"storage_key", storage_key, METH_O, "Write the number of a storage so that it can be found again."},
    {"settle", settle, METH_NOARGS, "Do nothing."},
    {"finish", finish, METH_NOARGS, "The whole pickle, and the offsets of the numbers of storages with these."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"alive", T_OBJECT_EX, offsetof(Pickle, alive), READONLY, "What must outlive the pickle."},
    {"levels", T_PYSSIZET, offsetof(Pickle, levels), READONLY, "How many containers are open here."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)new_pickle}, {Py_tp_dealloc, (void *)free_pickle}, {Py_tp_methods, methods},
    {Py_tp_members, members},        {0, NULL},
};

static PyType_Spec spec = {"hermpkg_speed.Pickle", sizeof(Pickle), 0, Py_TPFLAGS_DEFAULT, slots};

int add_pickle(PyObject *module) {
    PyObject *kind = PyType_FromSpec(&spec), *walk = kind ? PyType_FromSpec(&walk_spec) : NULL;
    int done = walk ? PyObject_SetAttrString(kind, "Walk", walk) : -1;
    if (done == 0) done = PyObject_SetAttrString(module, "Pickle", kind);
    Py_XDECREF(walk);
    Py_XDECREF(kind);
    return done;
}
