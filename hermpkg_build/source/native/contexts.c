/* Reads a whole source, statement by statement, and keeps the blocks that are open. */

#include "scan.h"

static const char *const catching[] = {"ImportError", "ModuleNotFoundError", "SyntaxError", "Exception", "BaseException"};

static Level *level_of(Scan *scan) { return &scan->levels[scan->depth - 1]; }

/* Open the block of the header before; ODD where blocks lie too deep. */
static Verdict open_block(Scan *scan, Py_ssize_t width) {
    Level *around = level_of(scan), *level;
    if (scan->depth == MOST_LEVELS) return ODD;
    if (scan->count == scan->room) {
        Py_ssize_t room = scan->room * 2 + 16;
        Block *grown = PyMem_Realloc(scan->blocks, (size_t)room * sizeof *grown);
        if (!grown) {
            PyErr_NoMemory();
            return FAILED;
        }
        scan->blocks = grown;
        scan->room = room;
    }
    scan->blocks[scan->count].around = around->block;
    scan->blocks[scan->count].own = scan->own;
    if (around->last == TRYING) around->trying = scan->count;
    level = &scan->levels[scan->depth++];
    memset(level, 0, sizeof *level);
    level->width = width;
    level->block = scan->count++;
    return PLAIN;
}

/* Find the block of a statement by its indentation; ODD where that fits none. */
static Verdict enter(Scan *scan, Py_ssize_t width) {
    if (scan->opens) return width > level_of(scan)->width ? open_block(scan, width) : ODD;
    while (width < level_of(scan)->width) scan->depth--; /* The lowest has no width. */
    return width == level_of(scan)->width ? PLAIN : ODD;
}

static int is_colon(const char *place) { return place[0] == ':' && place[1] != '='; }

/* The value at run time of a test, behind its keyword, that only asks for TYPE_CHECKING; -1 where it is unclear. */
static int typing_test(const char *place) {
    const char *begin;
    int value = 0;
    for (;;) {
        place = skip_blanks(begin = place);
        if (place == begin) return -1;
        begin = place;
        place = name_end(place);
        if (!is_word(begin, place, "not")) break;
        value = !value;
    }
    while (place > begin && !is_digit(*begin) && !is_word(begin, place, "not") && !is_word(begin, place, "lambda")) {
        if (*place != '.') return is_word(begin, place, "TYPE_CHECKING") && is_colon(skip_blanks(place)) ? value : -1;
        begin = place + 1;
        place = name_end(begin);
    }
    return -1;
}

/* Whether a dotted name, whose end is set, stands for what covers ImportError; -1 where it is no such name. */
static int covers(const char *begin, const char **end) {
    size_t index;
    for (;; begin = *end + 1) {
        *end = name_end(begin);
        if (*end == begin || is_digit(*begin)) return -1;
        if (**end != '.') break;
    }
    for (index = 0; index < sizeof catching / sizeof *catching; index++) {
        if (is_word(begin, *end, catching[index])) return 1;
    }
    return 0;
}

/* Whether an except clause, behind its keyword, catches ImportError; -1 where that is unclear. */
static int guards(const char *place) {
    int found = 0, one, count = 0;
    place = skip_blanks(place);
    if (is_colon(place)) return 1;
    if (*place == '(') {
        do {
            place++;
            while (*place == '\n' || *place == ' ' || *place == '\t') place++;
            if (*place == ')' && count++) break;
            if ((one = covers(place, &place)) < 0) return -1;
            found |= one;
            count++;
            while (*place == '\n' || *place == ' ' || *place == '\t') place++;
        } while (*place == ',');
        if (*place++ != ')') return -1;
    } else if ((found = covers(place, &place)) < 0) {
        return -1;
    }
    place = skip_blanks(place);
    if (is_word(place, name_end(place), "as")) {
        const char *name = skip_blanks(place + 2);
        place = skip_blanks(name_end(name));
        if (name == place || name == name_end(name)) return -1;
    }
    return is_colon(place) ? found : -1;
}

/* Follow an ``if`` or ``elif``: its test decides what its block and the clauses after it add. */
static void follow_test(Scan *scan, const char *behind) {
    Level *level = level_of(scan);
    unsigned char block = CONDITIONAL, after = CONDITIONAL;
    if (scan->asks_typing) {
        int value = typing_test(behind);
        block = value < 0 ? UNKNOWN : value ? 0 : TYPE_CHECKING;
        after = value < 0 ? UNKNOWN : value ? TYPE_CHECKING : 0;
    }
    scan->own = level->reached | block;
    level->reached |= after;
}

/* Follow a header that was read; `last` is the keyword of the statement before it in its block. */
static Verdict follow_header(Scan *scan, Keyword keyword, Keyword last, const char *behind) {
    Level *level = level_of(scan);
    int caught;
    switch (keyword) {
    case IF:
        level->reached = 0;
        follow_test(scan, behind);
        return PLAIN;
    case ELIF:
        follow_test(scan, behind);
        return last == IF || last == ELIF ? PLAIN : ODD;
    case ELSE:
        scan->own = last == IF || last == ELIF ? level->reached : CONDITIONAL;
        return last == IF || last == ELIF || last == FOR || last == WHILE || last == EXCEPT ? PLAIN : ODD;
    case EXCEPT:
        scan->own = CONDITIONAL;
        if (last != TRYING && last != EXCEPT) return ODD;
        caught = guards(behind);
        if (level->trying && caught) scan->blocks[level->trying].own |= caught < 0 ? UNKNOWN : TRY;
        return PLAIN;
    case FINALLY:
        scan->own = 0;
        return last == TRYING || last == EXCEPT || last == ELSE ? PLAIN : ODD;
    case TRYING:
        level->trying = 0;
        scan->own = 0;
        return PLAIN;
    case WITH: scan->own = scan->suppresses ? UNKNOWN : 0; return PLAIN;
    case DEF: scan->own = FUNCTION; return PLAIN;
    case CLASS: scan->own = 0; return PLAIN;
    case FOR: case WHILE: case MATCH: case CASE: scan->own = CONDITIONAL; return PLAIN;
    default:
        scan->opens = 0;
        return PLAIN;
    }
}

static Verdict read_statement(Scan *scan) {
    Level *level = level_of(scan);
    Keyword last = level->last, keyword;
    const char *begin = scan->place, *behind = name_end(begin);
    Verdict verdict;
    keyword = level->last = keyword_of(begin, behind);
    if (keyword == IMPORT) return read_import(scan);
    if (keyword == FROM) return read_from(scan);
    if (!level->block && is_word(begin, behind, "__all__")) return read_exports(scan);
    if (keyword == ASYNC) {
        const char *next = skip_blanks(behind);
        behind = name_end(next);
        keyword = level->last = keyword_of(next, behind);
        if (keyword != DEF && keyword != FOR && keyword != WITH) return ODD;
    }
    verdict = read_line(scan);
    return verdict == PLAIN ? follow_header(scan, keyword, last, behind) : verdict;
}

/* Add to each block what the blocks around it are: those come before it. */
static Verdict close_blocks(Scan *scan) {
    Py_ssize_t index;
    for (index = 1; index < scan->count; index++) {
        scan->blocks[index].own |= scan->blocks[scan->blocks[index].around].own;
    }
    for (index = 0; index < scan->imports_count; index++) {
        if (scan->blocks[scan->imports[index].block].own & UNKNOWN) return ODD;
    }
    return PLAIN;
}

Verdict read_source(Scan *scan) {
    Verdict verdict;
    memset(&scan->levels[0], 0, sizeof scan->levels[0]);
    scan->depth = 1;
    if (!is_utf8(scan->start, scan->end)) return ODD;
    while (scan->place < scan->end) {
        const char *place = scan->place;
        Py_ssize_t width = 0;
        for (; kind_of(*place) == BLANK; place++) width = *place == ' ' ? width + 1 : *place == '\t' ? width / 8 * 8 + 8 : 0;
        if (*place == '#' && !(place = line_end(scan, place))) return ODD;
        if (*place == '\n') {
            scan->place = place + 1;
            continue;
        }
        scan->place = place;
        if ((verdict = enter(scan, width)) != PLAIN) return verdict;
        if ((verdict = read_statement(scan)) != PLAIN) return verdict;
    }
    return scan->opens ? ODD : close_blocks(scan);
}
