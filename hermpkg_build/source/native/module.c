/* The module hermpkg_speed: finds the import statements of plain Python sources, and tells which sources are valid.
 *
 * It finds what the analysis in Python does, and calls valid what the parser accepts. Whatever is rare, or not
 * certainly valid, makes a source odd: then nothing is found, and Python reads it, so that a doubt costs time and
 * never an answer.
 *
 * The scanner (contexts.c, statements.c, lines.c) is one pass; no recursion but into one nested field of an f-string.
 * The recogniser (recognise.c, expressions.c, strings.c, tokens.c) is another, with recursion of bounded depth and no
 * memory. The buffer of a bytes object has a NUL behind its last byte: that stops every loop that looks ahead, since a
 * NUL belongs to nothing, and a byte is looked at only where none of those before it was one. */

#include "pickle.h"
#include "recognise.h"

#ifndef HERMPKG_SPEED_VERSION
#error "HERMPKG_SPEED_VERSION: the version of hermpkg-build that this belongs to"
#endif

static Verdict take_words(Scan *scan, PyObject *words) {
    Py_ssize_t index, count = PyTuple_Size(words);
    scan->wanted = 1ULL << strlen("import") | 1ULL << strlen("__all__") | 1ULL << strlen("suppress")
                   | 1ULL << strlen("TYPE_CHECKING");
    if (count > MOST_WORDS) {
        PyErr_SetString(PyExc_ValueError, "too many words");
        return FAILED;
    }
    for (index = 0; index < count; index++) {
        char *spelling;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(words, index), &spelling, &scan->lengths[index]) < 0) return FAILED;
        if (scan->lengths[index] > 63) {
            PyErr_SetString(PyExc_ValueError, "a word of more than 63 bytes");
            return FAILED;
        }
        scan->words[index] = spelling;
        scan->wanted |= 1ULL << scan->lengths[index];
    }
    scan->words_count = count;
    return PLAIN;
}

/* The fields of one import. */
static PyObject *fields_of(const Scan *scan, const Import *import, PyObject *forms, PyObject *contexts) {
    PyObject *form = PyTuple_GetItem(forms, import->is_from);
    PyObject *context = PyTuple_GetItem(contexts, scan->blocks[import->block].own & CONTEXTS);
    if (!form || !context) return NULL;
    return Py_BuildValue("(OnOOOnn)", import->module, import->level, import->names, form, context, import->line, import->column);
}

static PyObject *found(const Scan *scan, PyObject *forms, PyObject *contexts) {
    PyObject *exports = scan->exports ? scan->exports : Py_None, *imports = PyList_New(scan->imports_count);
    Py_ssize_t index;
    if (!imports) return NULL;
    for (index = 0; index < scan->imports_count; index++) {
        PyObject *fields = fields_of(scan, &scan->imports[index], forms, contexts);
        if (!fields || PyList_SetItem(imports, index, fields) < 0) {
            Py_DECREF(imports);
            return NULL;
        }
    }
    return Py_BuildValue("(NO)", imports, exports);
}

static void clear(Scan *scan) {
    for (; scan->imports_count; scan->imports_count--) {
        Py_DECREF(scan->imports[scan->imports_count - 1].module);
        Py_DECREF(scan->imports[scan->imports_count - 1].names);
    }
    PyMem_Free(scan->imports);
    PyMem_Free(scan->blocks);
    Py_XDECREF(scan->exports);
}

static PyObject *scan_source(PyObject *module, PyObject *arguments) {
    PyObject *source, *words, *forms, *contexts, *result = NULL;
    Verdict verdict = FAILED;
    char *text;
    Py_ssize_t size;
    Scan scan;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "SO!O!O!:scan", &source, &PyTuple_Type, &words, &PyTuple_Type, &forms, &PyTuple_Type,
                          &contexts)) {
        return NULL;
    }
    if (PyBytes_AsStringAndSize(source, &text, &size) < 0) return NULL;
    memset(&scan, 0, sizeof scan);
    scan.start = scan.place = scan.counted = text;
    scan.end = text + size;
    scan.room = scan.count = 1;
    scan.blocks = PyMem_Calloc(1, sizeof *scan.blocks); /* The first is the module itself. */
    if (!scan.blocks) PyErr_NoMemory();
    else if (take_words(&scan, words) == PLAIN) verdict = read_source(&scan);
    if (verdict == PLAIN) result = found(&scan, forms, contexts);
    if (verdict == ODD) Py_INCREF(result = Py_None);
    clear(&scan);
    return result;
}

static PyObject *is_valid(PyObject *module, PyObject *source) {
    char *text;
    Py_ssize_t size;
    (void)module;
    if (PyBytes_AsStringAndSize(source, &text, &size) < 0) return NULL;
    return PyBool_FromLong(is_certainly_valid(text, text + size));
}

static int fill_module(PyObject *module) {
    fill_kinds();
    return add_pickle(module) < 0 ? -1 : PyModule_AddStringConstant(module, "VERSION", HERMPKG_SPEED_VERSION);
}

static PyMethodDef methods[] = {
    {"scan", scan_source, METH_VARARGS, "Find the import statements of a source in normal form; None where it is odd."},
    {"is_valid", is_valid, METH_O, "Whether every Python from 3.10 on can certainly parse a source."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)fill_module},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "hermpkg_speed", "Reads Python sources for hermpkg.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_hermpkg_speed(void) { return PyModuleDef_Init(&definition); }
