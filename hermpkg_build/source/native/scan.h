/* What the parts of the scanner share: the state of one scan, and the alphabet of the language. */

#ifndef HERMPKG_SCAN_H
#define HERMPKG_SCAN_H

#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030A0000 /* One library for every CPython from 3.10 on. */
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

typedef enum {
    FAILED = -1, /* A Python exception is set. */
    ODD = 0,     /* The analysis in Python has to read this source. */
    PLAIN = 1
} Verdict;

enum { FUNCTION = 1, TRY = 2, TYPE_CHECKING = 4, CONDITIONAL = 8, CONTEXTS = 15, UNKNOWN = 16 };
enum { MOST_LEVELS = 100, MOST_BRACKETS = 100, MOST_WORDS = 32 };

typedef enum { BAD, BLANK, NAME, QUOTE, HASH, OPENING, CLOSING, NEWLINE, BACKSLASH, OTHER } Kind;

typedef enum {
    NO_KEYWORD, IMPORT, FROM, IF, ELIF, ELSE, FOR, WHILE, TRYING, EXCEPT, FINALLY, WITH, DEF, CLASS, ASYNC, MATCH, CASE,
    NO_HEADER /* a keyword that begins a statement, but no block */
} Keyword;

/* What is known of the block under a header; its context is `own` and that of all blocks around it. */
typedef struct {
    Py_ssize_t around;
    unsigned char own;
} Block;

/* An open block: `last` is the keyword of its last statement, `reached` what the tests before a clause add to
 * its context, `trying` the body of the last try. */
typedef struct {
    Py_ssize_t width, block, trying;
    Keyword last;
    unsigned char reached;
} Level;

/* An import, as far as it is known before the blocks around it are. */
typedef struct {
    PyObject *module, *names;
    Py_ssize_t level, line, column, block;
    int is_from;
} Import;

typedef struct {
    const char *start, *end, *place;
    const char *counted; /* Newlines before it are counted in `line`. */
    Py_ssize_t line;
    Level levels[MOST_LEVELS];
    int depth;
    int opens, asks_typing, suppresses; /* about the line that was read last */
    unsigned char own;                         /* what a line that opens a block adds to its context */
    Block *blocks;
    Py_ssize_t count, room;
    Import *imports;
    Py_ssize_t imports_count, imports_room;
    const char *words[MOST_WORDS];
    Py_ssize_t lengths[MOST_WORDS], words_count;
    unsigned long long wanted; /* A bit for each length that a name of interest has. */
    PyObject *exports;         /* the list that is ``__all__``, if there is one */
} Scan;


extern unsigned char kinds[256]; /* the kind of each byte */

static inline Kind kind_of(char c) { return (Kind)kinds[(unsigned char)c]; }
static inline int is_digit(char c) { return c >= '0' && c <= '9'; }

static inline const char *name_end(const char *place) {
    while (kind_of(*place) == NAME) place++;
    return place;
}

static inline const char *skip_blanks(const char *place) {
    while (*place == ' ' || *place == '\t') place++;
    return place;
}

static inline int is_word(const char *begin, const char *end, const char *word) {
    size_t length = strlen(word);
    return (size_t)(end - begin) == length && !memcmp(begin, word, length);
}

static inline const char *line_end(const Scan *scan, const char *place) {
    return memchr(place, '\n', (size_t)(scan->end - place));
}

/* lines.c: the lexer */
void fill_kinds(void);
int is_utf8(const char *place, const char *end);
Keyword keyword_of(const char *begin, const char *end);
int begins_statement(const char *begin, const char *end);
Verdict see_word(const Scan *scan, const char *begin, const char *end);
Verdict read_line(Scan *scan);

/* statements.c: each reads the statement at the place and the line with it */
Verdict read_import(Scan *scan);
Verdict read_from(Scan *scan);
Verdict read_exports(Scan *scan);

/* contexts.c: reads the whole source */
Verdict read_source(Scan *scan);

#endif
