/* The type hermpkg_speed.Pickle: the pickle under construction, as `output.py` has it in Python. */

#include "pickle.h"
#include <structmember.h>

static int equal_values(PyObject *one, PyObject *other) {
    int equal = PyObject_RichCompareBool(one, other, Py_EQ);
    if (equal < 0) PyErr_Clear(); /* Then they are of two types. */
    return equal == 1;
}

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
    PyObject *exact = PyUnicode_FromObject(value);
    int done = exact ? write_text((Pickle *)self, exact) : -1;
    Py_XDECREF(exact);
    return none_if(done);
}

static PyObject *byte_string(PyObject *self, PyObject *value) {
    if (Py_TYPE(value) != &PyBytes_Type) return PyErr_Format(PyExc_TypeError, "not bytes");
    return none_if(write_byte_string((Pickle *)self, value));
}

static PyObject *memoise_object(PyObject *self, PyObject *obj) { return none_if(memoise((Pickle *)self, obj)); }

static PyObject *is_memoised(PyObject *self, PyObject *obj) {
    return PyBool_FromLong(written((Pickle *)self, obj) != NULL);
}

static PyObject *refer_to(Pickle *pickle, Entry *known) {
    if (known && refer(pickle, &known->place) < 0) return NULL;
    return PyBool_FromLong(known != NULL);
}

static PyObject *refer_to_object(PyObject *self, PyObject *obj) {
    return refer_to((Pickle *)self, written((Pickle *)self, obj));
}

static PyObject *memoise_value(PyObject *self, PyObject *key) {
    Pickle *pickle = (Pickle *)self;
    Py_hash_t hash = PyObject_Hash(key);
    return hash == -1 ? NULL : none_if(add(&pickle->values, key, (size_t)hash, pickle->size));
}

static PyObject *refer_to_value(PyObject *self, PyObject *key) {
    Py_hash_t hash = PyObject_Hash(key);
    return hash == -1 ? NULL : refer_to((Pickle *)self, find(&((Pickle *)self)->values, key, (size_t)hash));
}

/* Have instances of a plain class written here from now on, whose name has `key`, where that was referred to. */
static PyObject *take_class(PyObject *self, PyObject *arguments) {
    Pickle *pickle = (Pickle *)self;
    PyObject *kind, *key;
    Py_hash_t hash;
    const Entry *known;
    if (!PyArg_ParseTuple(arguments, "OO:take_class", &kind, &key) || (hash = PyObject_Hash(key)) == -1) return NULL;
    known = find(&pickle->values, key, (size_t)hash);
    if (!known || known->place >= 0) Py_RETURN_NONE;
    return none_if(add(&pickle->classes, kind, identity_hash(kind), known->place));
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
    long number = PyLong_AsLong(key);
    if (number == -1 && PyErr_Occurred()) return NULL;
    return none_if(splice((Pickle *)self, ((Pickle *)self)->size, STORAGE, number, NULL));
}

static PyObject *settle(PyObject *self, PyObject *nothing) {
    (void)self;
    (void)nothing;
    Py_RETURN_NONE; /* Everything has its entry from its beginning. */
}

static int compare(const void *one, const void *other) {
    const Splice *left = one, *right = other;
    if (left->offset != right->offset) return left->offset < right->offset ? -1 : 1;
    if (left->kind != right->kind) return left->kind < right->kind ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

static Py_ssize_t size_of(const Splice *inserted) {
    if (inserted->kind == DATA) return PyBytes_Size(inserted->data);
    return inserted->kind == MEMO && inserted->number < 256 ? 2 : 5;
}

static void put(char *target, const Splice *inserted) {
    Py_ssize_t size = size_of(inserted), number = inserted->number, index;
    if (inserted->kind == DATA) memcpy(target, PyBytes_AsString(inserted->data), (size_t)size);
    else {
        *target = inserted->kind == STORAGE ? 'J' : number < 256 ? 'q' : 'r';
        for (index = 1; index < size; index++, number >>= 8) target[index] = (char)(number & 0xFF);
    }
}

/* Copy everything to `target`, what is put in among it; the offsets of the numbers of storages there, with these. */
static PyObject *copy_all(const Pickle *pickle, char *target) {
    const char *start = target;
    Py_ssize_t index, copied = 0;
    PyObject *offsets = PyList_New(0);
    for (index = 0; offsets && index < pickle->splices_count; index++) {
        const Splice *inserted = &pickle->splices[index];
        memcpy(target, pickle->bytes + copied, (size_t)(inserted->offset - copied));
        target += inserted->offset - copied;
        put(target, inserted);
        if (inserted->kind == STORAGE) {
            PyObject *pair = Py_BuildValue("(nn)", target - start + 1, inserted->number);
            if (!pair || PyList_Append(offsets, pair) < 0) Py_CLEAR(offsets);
            Py_XDECREF(pair);
        }
        target += size_of(inserted);
        copied = inserted->offset;
    }
    memcpy(target, pickle->bytes + copied, (size_t)(pickle->size - copied));
    return offsets;
}

static PyObject *finish(PyObject *self, PyObject *nothing) {
    Pickle *pickle = (Pickle *)self;
    Py_ssize_t index, size = pickle->size;
    PyObject *whole, *offsets, *result = NULL;
    (void)nothing;
    if (pickle->splices_count) qsort(pickle->splices, (size_t)pickle->splices_count, sizeof(Splice), compare);
    for (index = 0; index < pickle->splices_count; index++) {
        if (size > PY_SSIZE_T_MAX - size_of(&pickle->splices[index])) return PyErr_NoMemory();
        size += size_of(&pickle->splices[index]);
    }
    whole = PyBytes_FromStringAndSize(NULL, size);
    offsets = whole ? copy_all(pickle, PyBytes_AsString(whole)) : NULL;
    if (offsets) result = Py_BuildValue("(ON)", whole, PyList_AsTuple(offsets));
    Py_XDECREF(offsets);
    Py_XDECREF(whole);
    return result;
}

static void free_pickle(PyObject *self) {
    Pickle *pickle = (Pickle *)self;
    PyTypeObject *kind = Py_TYPE(self);
    Table *tables[] = {&pickle->identities, &pickle->texts,  &pickle->byte_strings,
                       &pickle->tuples,     &pickle->values, &pickle->classes};
    size_t index;
    for (index = 0; index < sizeof tables / sizeof *tables; index++) clear_table(tables[index]);
    while (pickle->splices_count) Py_XDECREF(pickle->splices[--pickle->splices_count].data);
    PyMem_Free(pickle->splices);
    PyMem_Free(pickle->bytes);
    Py_XDECREF(pickle->alive);
    Py_XDECREF(pickle->encoders);
    Py_XDECREF(pickle->walk_type);
    PyObject_Free(self);
    Py_DECREF((PyObject *)kind);
}

static PyObject *new_pickle(PyTypeObject *kind, PyObject *arguments, PyObject *named) {
    char start[2] = {'\x80'};
    PyObject *encoders;
    Pickle *pickle;
    int protocol;
    Py_ssize_t deepest;
    (void)named;
    if (!PyArg_ParseTuple(arguments, "inO!:Pickle", &protocol, &deepest, &PyDict_Type, &encoders)) return NULL;
    pickle = (Pickle *)PyType_GenericAlloc(kind, 0);
    if (!pickle) return NULL;
    start[1] = (char)(pickle->protocol = protocol);
    pickle->deepest = deepest;
    Py_INCREF(pickle->encoders = encoders);
    pickle->texts.equal = pickle->byte_strings.equal = pickle->values.equal = equal_values;
    pickle->tuples.equal = equal_tuples;
    pickle->alive = PyList_New(0);
    pickle->walk_type = PyObject_GetAttrString((PyObject *)kind, "Walk");
    if (!pickle->alive || !pickle->walk_type || emit(pickle, start, 2) < 0) Py_CLEAR(pickle);
    return (PyObject *)pickle;
}

static PyMethodDef methods[] = {
    {"append", append, METH_O, "Write bytes."},
    {"block", block, METH_VARARGS, "Write an opcode with its data."},
    {"text", text, METH_O, "Write a string."},
    {"byte_string", byte_string, METH_O, "Write a bytes object."},
    {"memoise", memoise_object, METH_O, "Remember that the stack has this object on it."},
    {"is_memoised", is_memoised, METH_O, "Whether an object can be fetched by its identity."},
    {"refer", refer_to_object, METH_O, "Write a reference to an object; False where there is none."},
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
    {"levels", T_PYSSIZET, offsetof(Pickle, levels), 0, "How many objects are open."},
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
