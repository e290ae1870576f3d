/* What the parts of the writer of pickles share: tables of what was written, and the pickle under construction. */

#ifndef HERMPKG_PICKLE_H
#define HERMPKG_PICKLE_H

#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030A0000 /* One library for every CPython from 3.10 on. */
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* An object that was written: `place` is the offset behind it or, once it was referred to, ~ its number. */
typedef struct {
    PyObject *key;
    size_t hash;
    Py_ssize_t place;
} Entry;

/* Objects that were written, each of which lives as long. */
typedef struct {
    Entry *entries;
    size_t room, count;
    int (*equal)(PyObject *, PyObject *);
} Table;

/* What is put into the bytes at `offset` in the end, in this order where it is the same: big data, the opcode that
 * memoises under `number`, or that which says the number of a storage. */
typedef enum { DATA, MEMO, STORAGE } Inserted;
typedef struct {
    Py_ssize_t offset, number;
    Inserted kind;
    PyObject *data;
} Splice;

typedef struct {
    PyObject_HEAD
    int protocol;
    Py_ssize_t numbers;         /* of the memo, given so far */
    Py_ssize_t levels, deepest; /* objects that are open, and how many may be */
    char *bytes;
    Py_ssize_t size, room;
    Splice *splices;
    Py_ssize_t splices_count, splices_room;
    Table identities, texts, byte_strings, tuples, values, classes; /* `values` are by keys that Python made */
    PyObject *alive;    /* a list of what must outlive the pickle */
    PyObject *encoders; /* a dict of functions for values that are rare, by type; of bytes they make the header */
    PyObject *walk_type;
} Pickle;

/* tables.c */
size_t mixed(size_t hash, size_t more);
Entry *find(const Table *table, PyObject *key, size_t hash);
int add(Table *table, PyObject *key, size_t hash, Py_ssize_t place);
void clear_table(Table *table);
void *with_room(void *items, Py_ssize_t count, Py_ssize_t *room, size_t size);

static inline size_t identity_hash(PyObject *obj) { return (size_t)obj >> 4; }

/* tuples.c: tuples that are one wherever they are equal */
typedef enum { BY_VALUE, BY_IDENTITY, BY_PYTHON } Way;
Way way_of_tuple(PyObject *tuple, size_t *hash);
int equal_tuples(PyObject *one, PyObject *other);

/* atoms.c: each of these writes one value; 0, or -1 with an exception */
int emit(Pickle *pickle, const char *data, Py_ssize_t size);
int emit_object(Pickle *pickle, PyObject *data);
int splice(Pickle *pickle, Py_ssize_t offset, Inserted kind, Py_ssize_t number, PyObject *data);
int write_int(Pickle *pickle, PyObject *value);
int write_float(Pickle *pickle, PyObject *value);
int write_text(Pickle *pickle, PyObject *text);
int write_byte_string(Pickle *pickle, PyObject *data);
int write_block(Pickle *pickle, PyObject *header, PyObject *data);
int refer(Pickle *pickle, Py_ssize_t *place);

static inline int emit_byte(Pickle *pickle, char byte) { return emit(pickle, &byte, 1); }

static inline Entry *written(const Pickle *pickle, PyObject *obj) {
    return find(&pickle->identities, obj, identity_hash(obj));
}

static inline int memoise(Pickle *pickle, PyObject *obj) {
    return add(&pickle->identities, obj, identity_hash(obj), pickle->size);
}

/* walk.c */
extern PyType_Spec walk_spec;
PyObject *new_walk(Pickle *pickle, PyObject *children, PyObject *closing);

/* pickle.c */
int add_pickle(PyObject *module);

#endif
