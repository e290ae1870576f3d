/* Hash tables of what was written, and lists that grow. */

#include "pickle.h"

enum { SMALLEST_TABLE = 64 };

/* A hash of what two stand for. */
size_t mixed(size_t hash, size_t more) {
    hash = (hash ^ more) * (size_t)0x9E3779B97F4A7C15ULL;
    return hash ^ hash >> (sizeof hash * 4);
}

static Entry *slot_of(const Table *table, PyObject *key, size_t hash) {
    size_t mask = table->room - 1, place = hash & mask, rest = hash;
    for (;;) {
        Entry *entry = &table->entries[place];
        if (!entry->key || entry->key == key) return entry;
        if (entry->hash == hash && table->equal && table->equal(entry->key, key)) return entry;
        rest >>= 5;
        place = (place * 5 + rest + 1) & mask;
    }
}

Entry *find(const Table *table, PyObject *key, size_t hash) {
    Entry *entry = table->room ? slot_of(table, key, hash) : NULL;
    return entry && entry->key ? entry : NULL;
}

static int grow(Table *table) {
    Table larger = {NULL, table->room ? table->room * 2 : SMALLEST_TABLE, table->count, NULL};
    size_t index;
    larger.entries = larger.room > table->room ? PyMem_Calloc(larger.room, sizeof(Entry)) : NULL;
    if (!larger.entries) {
        PyErr_NoMemory();
        return -1;
    }
    for (index = 0; index < table->room; index++) {
        const Entry *entry = &table->entries[index];
        if (entry->key) *slot_of(&larger, entry->key, entry->hash) = *entry;
    }
    larger.equal = table->equal;
    PyMem_Free(table->entries);
    *table = larger;
    return 0;
}

/* Take `key` up, or give it another place. */
int add(Table *table, PyObject *key, size_t hash, Py_ssize_t place) {
    Entry *entry;
    if (table->count * 3 >= table->room * 2 && grow(table) < 0) return -1;
    entry = slot_of(table, key, hash);
    if (!entry->key) {
        Py_INCREF(key);
        entry->key = key;
        entry->hash = hash;
        table->count++;
    }
    entry->place = place;
    return 0;
}

void clear_table(Table *table) {
    size_t index;
    for (index = 0; index < table->room; index++) Py_XDECREF(table->entries[index].key);
    PyMem_Free(table->entries);
    table->entries = NULL;
    table->room = table->count = 0;
}

/* The `count` items, with room for one more; NULL where there is no memory, and then they are as they were. */
void *with_room(void *items, Py_ssize_t count, Py_ssize_t *room, size_t size) {
    Py_ssize_t larger = *room + *room / 2 + 8;
    if (count < *room) return items;
    items = (size_t)larger > PY_SSIZE_T_MAX / size ? NULL : PyMem_Realloc(items, (size_t)larger * size);
    if (items) *room = larger;
    else PyErr_NoMemory();
    return items;
}
