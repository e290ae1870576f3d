/* The walk over plain objects: an iterator that writes them, and gives back each object that Python has to write.
 *
 * Between two of its steps any code may run: whatever is open is looked at anew, and what is written lives on. */

#include "pickle.h"

typedef enum { IN_LIST, IN_TUPLE, IN_DICT, IN_STATE } Kind;
typedef enum { FAILED = -1, LEFT, DONE } Step;

/* A container that is open: `at` is the place of the next part, `value` a part that is to come first. */
typedef struct {
    PyObject *object, *value;
    Py_ssize_t at, size;
    size_t hash;
    Kind kind;
    int by_value;
} Frame;

typedef struct {
    PyObject_HEAD
    Pickle *pickle;
    PyObject *closing;
    Frame *frames; /* the first is what the walk was made for */
    Py_ssize_t depth, room;
} Walk;

static Frame *push(Walk *walk, Kind kind, PyObject *object, Py_ssize_t size) {
    Frame *frames = with_room(walk->frames, walk->depth, &walk->room, sizeof *frames), *top;
    if (!frames) return NULL;
    walk->frames = frames;
    top = frames + walk->depth;
    memset(top, 0, sizeof *top);
    Py_INCREF(object);
    top->object = object;
    top->size = size;
    top->kind = kind;
    walk->pickle->levels += walk->depth++ > 0;
    return top;
}

static void pop(Walk *walk) {
    Frame *top = &walk->frames[--walk->depth];
    walk->pickle->levels -= walk->depth > 0;
    Py_CLEAR(top->value);
    Py_CLEAR(top->object);
}

/* Open a list or a dict of which the opcode is `empty`. */
static Step open_changeable(Walk *walk, Kind kind, PyObject *object, Py_ssize_t size, char empty) {
    Pickle *pickle = walk->pickle;
    Entry *known = written(pickle, object);
    if (known) return refer(pickle, &known->place) < 0 ? FAILED : DONE;
    if (pickle->levels >= pickle->deepest) return LEFT;
    if (emit_byte(pickle, empty) < 0 || memoise(pickle, object) < 0) return FAILED;
    if (!size) return DONE;
    if (size > 1 && emit_byte(pickle, '(') < 0) return FAILED;
    return push(walk, kind, object, size) ? DONE : FAILED;
}

static Step open_tuple(Walk *walk, PyObject *tuple) {
    Pickle *pickle = walk->pickle;
    Py_ssize_t size = PyTuple_Size(tuple);
    size_t hash;
    Way way;
    Entry *known;
    Frame *frame;
    if (!size) return emit_byte(pickle, ')') < 0 ? FAILED : DONE;
    way = way_of_tuple(tuple, &hash);
    known = way == BY_VALUE ? find(&pickle->tuples, tuple, hash) : written(pickle, tuple);
    if (known) return refer(pickle, &known->place) < 0 ? FAILED : DONE;
    if (way == BY_PYTHON || pickle->levels >= pickle->deepest) return LEFT;
    if (size > 3 && emit_byte(pickle, '(') < 0) return FAILED;
    frame = push(walk, IN_TUPLE, tuple, size);
    if (!frame) return FAILED;
    frame->hash = hash;
    frame->by_value = way == BY_VALUE;
    return DONE;
}

/* Whether all attributes have names that mean nothing to pickling. */
static int are_ordinary(PyObject *attributes) {
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(attributes, &at, &name, &value)) {
        if (Py_TYPE(name) != &PyUnicode_Type) return 0;
        if (PyUnicode_GetLength(name) > 1 && PyUnicode_ReadChar(name, 0) == '_' && PyUnicode_ReadChar(name, 1) == '_') return 0;
    }
    return 1;
}

/* Write an instance of a class that Python has called plain: the class, and then its attributes. */
static Step open_instance(Walk *walk, PyObject *object) {
    Pickle *pickle = walk->pickle;
    PyObject *kind = (PyObject *)Py_TYPE(object), *attributes;
    Entry *known = written(pickle, object);
    Frame *frame = NULL;
    Step step = FAILED;
    if (known) return refer(pickle, &known->place) < 0 ? FAILED : DONE;
    known = find(&pickle->classes, kind, identity_hash(kind));
    if (!known || pickle->levels >= pickle->deepest) return LEFT;
    attributes = PyObject_GetAttrString(object, "__dict__");
    if (!attributes) return FAILED;
    if (Py_TYPE(attributes) != &PyDict_Type || !are_ordinary(attributes)) step = LEFT;
    else if (refer(pickle, &known->place) == 0 && emit(pickle, ")\x81", 2) == 0 && memoise(pickle, object) == 0) {
        if (!PyDict_Size(attributes)) step = DONE;
        else if ((frame = push(walk, IN_STATE, object, 1))) {
            frame->value = attributes;
            return DONE;
        }
    }
    Py_DECREF(attributes);
    return step;
}

static Step write_object(Walk *walk, PyObject *object) {
    Pickle *pickle = walk->pickle;
    PyTypeObject *kind = Py_TYPE(object);
    int done;
    if (kind == &PyUnicode_Type) done = write_text(pickle, object);
    else if (kind == &PyLong_Type) done = write_int(pickle, object);
    else if (kind == &PyFloat_Type) done = write_float(pickle, object);
    else if (object == Py_None) done = emit_byte(pickle, 'N');
    else if (kind == &PyBool_Type) done = emit_byte(pickle, object == Py_True ? '\x88' : '\x89');
    else if (kind == &PyDict_Type) return open_changeable(walk, IN_DICT, object, PyDict_Size(object), '}');
    else if (kind == &PyList_Type) return open_changeable(walk, IN_LIST, object, PyList_Size(object), ']');
    else if (kind == &PyTuple_Type) return open_tuple(walk, object);
    else if (kind == &PyBytes_Type) done = write_byte_string(pickle, object);
    else return open_instance(walk, object);
    return done < 0 ? FAILED : DONE;
}

/* The next part of the container that was opened last, as a new reference; NULL at its end, or with an exception. */
static PyObject *next_part(Walk *walk) {
    Frame *top = &walk->frames[walk->depth - 1];
    PyObject *part = top->value;
    top->value = NULL;
    if (part) return part;
    /* What is written may add others to the list, but one is not closed as several are. */
    if (top->kind == IN_LIST && top->at < PyList_Size(top->object) && (top->size != 1 || !top->at))
        part = PyList_GetItem(top->object, top->at++);
    else if (top->kind == IN_TUPLE && top->at < top->size) part = PyTuple_GetItem(top->object, top->at++);
    else if (top->kind == IN_DICT) {
        if (PyDict_Size(top->object) != top->size) {
            PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
            return NULL;
        }
        if (PyDict_Next(top->object, &top->at, &part, &top->value)) Py_INCREF(top->value);
    }
    Py_XINCREF(part);
    return part;
}

static int close_tuple(Pickle *pickle, const Frame *top) {
    const char *closings = "\x85\x86\x87";
    Entry *known;
    if (!top->by_value && (known = written(pickle, top->object))) {
        /* It contains itself and was completed further down: that one is the object. */
        if (emit(pickle, top->size > 3 ? "1" : "000", top->size > 3 ? 1 : top->size) < 0) return -1;
        return refer(pickle, &known->place);
    }
    if (emit_byte(pickle, top->size > 3 ? 't' : closings[top->size - 1]) < 0) return -1;
    if (top->by_value) return add(&pickle->tuples, top->object, top->hash, pickle->size);
    return memoise(pickle, top->object);
}

static int close_top(Walk *walk) {
    Pickle *pickle = walk->pickle;
    const Frame *top = &walk->frames[walk->depth - 1];
    int done;
    if (walk->depth == 1) done = emit_object(pickle, walk->closing);
    else if (top->kind == IN_LIST) done = emit_byte(pickle, top->size > 1 ? 'e' : 'a');
    else if (top->kind == IN_DICT) done = emit_byte(pickle, top->size > 1 ? 'u' : 's');
    else if (top->kind == IN_STATE) done = emit_byte(pickle, 'b');
    else done = close_tuple(pickle, top);
    pop(walk);
    return done;
}

static PyObject *walk_on(PyObject *self) {
    Walk *walk = (Walk *)self;
    while (walk->depth) {
        PyObject *part = next_part(walk);
        Step step;
        if (!part) {
            if (PyErr_Occurred() || close_top(walk) < 0) return NULL;
            continue;
        }
        step = write_object(walk, part);
        if (step == LEFT) return part;
        Py_DECREF(part);
        if (step == FAILED) return NULL;
    }
    return NULL;
}

static PyObject *opened(PyObject *self, PyObject *nothing) {
    const Walk *walk = (Walk *)self;
    PyObject *found = PyList_New(0);
    Py_ssize_t index;
    (void)nothing;
    for (index = 1; found && index < walk->depth; index++) {
        if (PyList_Append(found, walk->frames[index].object) < 0) Py_CLEAR(found);
    }
    return found;
}

static void free_walk(PyObject *self) {
    Walk *walk = (Walk *)self;
    PyTypeObject *kind = Py_TYPE(self);
    while (walk->depth) pop(walk);
    PyMem_Free(walk->frames);
    Py_XDECREF(walk->closing);
    Py_XDECREF((PyObject *)walk->pickle);
    PyObject_Free(self);
    Py_DECREF((PyObject *)kind);
}

PyObject *new_walk(Pickle *pickle, PyObject *children, PyObject *closing) {
    Kind kind = Py_TYPE(children) == &PyTuple_Type ? IN_TUPLE : IN_LIST;
    Walk *walk = PyObject_New(Walk, (PyTypeObject *)pickle->walk_type);
    if (!walk) return NULL;
    Py_INCREF((PyObject *)pickle);
    Py_INCREF(closing);
    walk->pickle = pickle;
    walk->closing = closing;
    walk->frames = NULL;
    walk->depth = walk->room = 0;
    if (!push(walk, kind, children, PyObject_Size(children))) Py_CLEAR(walk);
    return (PyObject *)walk;
}

static PyMethodDef methods[] = {
    {"opened", opened, METH_NOARGS, "The containers that are open in it, the outermost first."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, (void *)free_walk},
    {Py_tp_iter, (void *)PyObject_SelfIter},
    {Py_tp_iternext, (void *)walk_on},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec walk_spec = {
    "hermpkg_speed.Walk", sizeof(Walk), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots,
};
