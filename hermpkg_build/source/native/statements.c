/* Reads import statements and assignments of ``__all__`` in their usual forms. */

#include "scan.h"

static Verdict add_text(PyObject *list, const char *begin, const char *end) {
    PyObject *text = PyUnicode_FromStringAndSize(begin, end - begin);
    int failed = !text || PyList_Append(list, text);
    Py_XDECREF(text);
    return failed ? FAILED : PLAIN;
}

/* The end of an identifier; NULL where there is none, or a word that would be read otherwise. */
static const char *identifier_end(const char *begin) {
    const char *end = name_end(begin);
    return end == begin || is_digit(*begin) || begins_statement(begin, end) ? NULL : end;
}

/* Read a dotted name at `begin`, and set its end; each of its parts is a word that may be asked for. */
static Verdict read_dotted(const Scan *scan, const char *begin, const char **end) {
    Verdict verdict;
    for (;;) {
        if (!(*end = identifier_end(begin))) return ODD;
        if ((verdict = see_word(scan, begin, *end)) != PLAIN) return verdict;
        if (**end != '.') return PLAIN;
        begin = *end + 1;
    }
}

/* Skip blanks and joined lines, and newlines and comments too where brackets are open; NULL for an endless line. */
static const char *skip_between(const Scan *scan, const char *place, int in_brackets) {
    for (;; place++) {
        place = skip_blanks(place);
        if (*place == '\\' && place[1] == '\n') {
            place++;
        } else if (!in_brackets || (*place != '\n' && *place != '#')) {
            return place;
        } else if (!(place = line_end(scan, place))) {
            return NULL;
        }
    }
}

/* Read one name with what it is bound to, and add it; `modules` tells that it may be dotted. */
static Verdict read_alias(const Scan *scan, const char **place, PyObject *names, int modules, int in_brackets) {
    const char *begin = *place, *end, *next, *bound;
    Verdict verdict = read_dotted(scan, begin, &end);
    if (verdict != PLAIN) return verdict;
    if (!modules && memchr(begin, '.', (size_t)(end - begin))) return ODD;
    if (!(next = skip_between(scan, end, in_brackets))) return ODD;
    if (next > end && is_word(next, name_end(next), "as")) {
        bound = skip_between(scan, next + 2, in_brackets);
        if (!bound || bound == next + 2 || !(next = identifier_end(bound))) return ODD;
        if ((verdict = see_word(scan, bound, next)) != PLAIN) return verdict;
        if (!modules && is_word(begin, end, "TYPE_CHECKING")) return ODD; /* The flag has another name. */
        if (!(next = skip_between(scan, next, in_brackets))) return ODD;
    }
    *place = next;
    return add_text(names, begin, end);
}

/* Read names, with the bracket behind them where one was opened. */
static Verdict read_aliases(const Scan *scan, const char **place, PyObject *names, int modules, int in_brackets) {
    Verdict verdict;
    for (;;) {
        if ((verdict = read_alias(scan, place, names, modules, in_brackets)) != PLAIN) return verdict;
        if (**place != ',') break;
        if (!(*place = skip_between(scan, *place + 1, in_brackets))) return ODD;
        if (in_brackets && **place == ')') break;
    }
    if (!in_brackets) return PLAIN;
    if (**place != ')') return ODD;
    *place = skip_blanks(*place + 1);
    return PLAIN;
}

/* Go behind the line that a statement ends with; ODD where something else comes on it. */
static Verdict end_line(Scan *scan, const char *place) {
    if (*place == '#') place = line_end(scan, place);
    if (!place || *place != '\n') return ODD;
    scan->place = place + 1;
    scan->opens = 0;
    return PLAIN;
}

/* Note an import by the statement at `start`; takes the references. */
static Verdict add_import(Scan *scan, const char *start, PyObject *module, Py_ssize_t level, PyObject *names, int is_from) {
    const char *place, *edge = start;
    Py_ssize_t newlines = 0;
    Import *import;
    if (module && names && scan->imports_count == scan->imports_room) {
        Py_ssize_t room = scan->imports_room * 2 + 16;
        Import *grown = PyMem_Realloc(scan->imports, (size_t)room * sizeof *grown);
        if (grown) {
            scan->imports = grown;
            scan->imports_room = room;
        } else {
            PyErr_NoMemory();
        }
    }
    if (!module || !names || scan->imports_count == scan->imports_room) {
        Py_XDECREF(module);
        Py_XDECREF(names);
        return FAILED;
    }
    for (place = scan->counted; place < start; place++) newlines += *place == '\n';
    scan->counted = start;
    scan->line += newlines;
    while (edge > scan->start && edge[-1] != '\n') edge--; /* Blanks alone are between. */
    import = &scan->imports[scan->imports_count++];
    import->module = module;
    import->names = names;
    import->level = level;
    import->line = scan->line;
    import->column = start - edge + 1;
    import->block = scan->levels[scan->depth - 1].block;
    import->is_from = is_from;
    return PLAIN;
}

static Verdict add_modules(Scan *scan, const char *start, PyObject *modules) {
    Py_ssize_t index, count = PyList_Size(modules);
    for (index = 0; index < count; index++) {
        PyObject *module = PyList_GetItem(modules, index);
        Py_INCREF(module);
        if (add_import(scan, start, module, 0, PyTuple_New(0), 0) == FAILED) return FAILED;
    }
    return PLAIN;
}

Verdict read_import(Scan *scan) {
    const char *start = scan->place, *behind = start + strlen("import"), *place = skip_blanks(behind);
    PyObject *modules;
    Verdict verdict;
    if (place == behind) return ODD;
    if (!(modules = PyList_New(0))) return FAILED;
    verdict = read_aliases(scan, &place, modules, 1, 0);
    if (verdict == PLAIN) verdict = end_line(scan, place);
    if (verdict == PLAIN) verdict = add_modules(scan, start, modules);
    Py_DECREF(modules);
    return verdict;
}

/* Read what is taken from a module, behind the word `import`. */
static Verdict read_taken(Scan *scan, const char *place, PyObject *names) {
    const char *next = skip_blanks(place);
    Verdict verdict;
    if (*next == '(') {
        if (!(next = skip_between(scan, next + 1, 1))) return ODD;
        if ((verdict = read_aliases(scan, &next, names, 0, 1)) != PLAIN) return verdict;
    } else if (next == place) {
        return ODD;
    } else if (*next == '*') {
        if (add_text(names, next, next + 1) == FAILED) return FAILED;
        next = skip_blanks(next + 1);
    } else if ((verdict = read_aliases(scan, &next, names, 0, 0)) != PLAIN) {
        return verdict;
    }
    return end_line(scan, next);
}

Verdict read_from(Scan *scan) {
    const char *start = scan->place, *place = skip_blanks(start + strlen("from")), *module, *end, *word;
    Py_ssize_t level = 0;
    PyObject *names;
    Verdict verdict;
    if (place == start + strlen("from")) return ODD;
    for (; *place == '.'; place++) level++;
    module = end = place;
    word = skip_blanks(place);
    if (!level || word == place) {
        if ((verdict = read_dotted(scan, module, &end)) != PLAIN) return verdict;
        word = skip_blanks(end);
    }
    place = name_end(word);
    if (word == end || !is_word(word, place, "import")) return ODD;
    if (!(names = PyList_New(0))) return FAILED;
    verdict = read_taken(scan, place, names);
    if (verdict == PLAIN) {
        PyObject *name = PyUnicode_FromStringAndSize(module, end - module);
        verdict = add_import(scan, start, name, level, PyList_AsTuple(names), 1);
    }
    Py_DECREF(names);
    return verdict;
}

/* Read the strings of a display whose bracket is before the place, with the closing one. */
static Verdict read_strings(const Scan *scan, const char **place, char closing, PyObject *names) {
    int commas = 0, count = 0;
    for (;; count++) {
        const char *begin;
        char quote;
        if (!(*place = skip_between(scan, *place, 1))) return ODD;
        quote = **place;
        if (quote == closing) break;
        if (commas < count || kind_of(quote) != QUOTE) return ODD;
        for (begin = ++*place; **place != quote; ++*place) {
            unsigned char c = (unsigned char)**place;
            if (c < ' ' || c > '~' || c == '\\') return ODD;
        }
        if (add_text(names, begin, *place) == FAILED) return FAILED;
        if (!(*place = skip_between(scan, *place + 1, 1))) return ODD;
        if (**place == ',') {
            commas++;
            ++*place;
        } else if (**place != closing) {
            return ODD;
        }
    }
    ++*place;
    return closing == ']' || commas || !count ? PLAIN : ODD; /* One string in parentheses is no tuple. */
}

Verdict read_exports(Scan *scan) {
    const char *place = skip_blanks(scan->place + strlen("__all__"));
    int adds = *place == '+';
    PyObject *names;
    Verdict verdict;
    place += adds;
    if (*place != '=' || (adds && !scan->exports)) return ODD;
    place = skip_blanks(place + 1);
    if (*place != '[' && *place != '(') return ODD;
    if (!adds && !(names = PyList_New(0))) return FAILED;
    if (adds) Py_INCREF(names = scan->exports);
    place++;
    verdict = read_strings(scan, &place, place[-1] == '[' ? ']' : ')', names);
    if (verdict == PLAIN) verdict = end_line(scan, skip_blanks(place));
    if (verdict == PLAIN && !adds) {
        Py_XDECREF(scan->exports);
        scan->exports = names;
        return PLAIN;
    }
    Py_DECREF(names);
    return verdict;
}
