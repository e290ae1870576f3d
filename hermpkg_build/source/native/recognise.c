/* The statements of the recogniser, which tells sources that every version of Python from 3.10 on can parse.
 *
 * It knows less than any of their grammars, and says nothing of what it does not know: that is left to the parser
 * of the interpreter. It minds what that does, and not what only the compiler behind it refuses. */

#include "recognise.h"

static int read_block(Reading *reading);
static int read_statement(Reading *reading);

static int read_dotted(Reading *reading) {
    int count = 0;
    do {
        if (count++ == MOST_CHAINED || !accept(reading, WORD)) return 0;
    } while (accept(reading, (Token)'.'));
    return 1;
}

static int read_alias(Reading *reading) { return !accept(reading, K_AS) || accept(reading, WORD); }

static int read_imported(Reading *reading) {
    do {
        if (!read_dotted(reading) || !read_alias(reading)) return 0;
    } while (accept(reading, (Token)','));
    return 1;
}

/* Imports of the future change what is valid behind them: only a harmless one is known. */
static int read_from_import(Reading *reading) {
    int dots = 0, count = 0, in_brackets, from_future = reading->token == WORD && is_word_at(reading, "__future__");
    while (accept(reading, (Token)'.') || accept(reading, DOTS)) dots = 1;
    if (!(dots && reading->token == K_IMPORT) && !read_dotted(reading)) return 0;
    if (!accept(reading, K_IMPORT)) return 0;
    if (accept(reading, (Token)'*')) return !from_future;
    in_brackets = accept(reading, (Token)'(');
    do {
        if (in_brackets && count++ && accept(reading, (Token)')')) return 1;
        if (from_future && !(reading->token == WORD && is_word_at(reading, "annotations"))) return 0;
        if (!accept(reading, WORD) || !read_alias(reading)) return 0;
    } while (accept(reading, (Token)','));
    return !in_brackets || accept(reading, (Token)')');
}

static int read_names(Reading *reading) {
    do {
        if (!accept(reading, WORD)) return 0;
    } while (accept(reading, (Token)','));
    return 1;
}

static int read_deleted(Reading *reading) {
    do {
        if (!(read_target(reading) & SINGLE)) return 0;
    } while (accept(reading, (Token)','));
    return 1;
}

static int read_assigned(Reading *reading) {
    return reading->token == K_YIELD ? read_yield(reading) : read_values(reading) != NO_FORM;
}

/* Read past an expression, or an assignment of any kind. */
static int read_assignment(Reading *reading) {
    Form form = read_values(reading);
    int count;
    if (!form) return 0;
    if (form & SINGLE && accept(reading, AUGMENTED)) return read_assigned(reading);
    if (form & SINGLE && accept(reading, (Token)':')) {
        return read_expression(reading) && (!accept(reading, (Token)'=') || read_assigned(reading));
    }
    for (count = 0; accept(reading, (Token)'='); count++) {
        if (!(form & TARGET) || count == MOST_CHAINED) return 0;
        if (reading->token == K_YIELD) return read_yield(reading);
        if (!(form = read_values(reading))) return 0;
    }
    return 1;
}

static int read_simple(Reading *reading) {
    switch ((int)reading->token) {
    case K_PASS: case K_BREAK: case K_CONTINUE: next_token(reading); return 1;
    case K_IMPORT: next_token(reading); return read_imported(reading);
    case K_FROM: next_token(reading); return read_from_import(reading);
    case K_GLOBAL: case K_NONLOCAL: next_token(reading); return read_names(reading);
    case K_DEL: next_token(reading); return read_deleted(reading);
    case K_YIELD: return read_yield(reading);
    case K_RETURN:
        next_token(reading);
        return reading->token == LINE_END || reading->token == (Token)';' || read_values(reading);
    case K_ASSERT:
        next_token(reading);
        return read_expression(reading) && (!accept(reading, (Token)',') || read_expression(reading));
    case K_RAISE:
        next_token(reading);
        if (reading->token == LINE_END || reading->token == (Token)';') return 1;
        return read_expression(reading) && (!accept(reading, K_FROM) || read_expression(reading));
    default: return read_assignment(reading);
    }
}

/* Read past the simple statements of a line. */
static int read_line_of_statements(Reading *reading) {
    do {
        if (!read_simple(reading)) return 0;
    } while (accept(reading, (Token)';') && reading->token != LINE_END);
    return accept(reading, LINE_END);
}

/* Read past a colon and the block behind it. */
static int read_block(Reading *reading) {
    int valid = accept(reading, (Token)':') && enter_nested(reading);
    if (valid && !accept(reading, LINE_END)) {
        valid = read_line_of_statements(reading);
    } else if (valid && (valid = accept(reading, INDENT))) {
        do valid = read_statement(reading);
        while (valid && !accept(reading, DEDENT));
    }
    reading->nested--;
    return valid;
}

static int read_else(Reading *reading) { return !accept(reading, K_ELSE) || read_block(reading); }

/* Each ``elif`` lies in the clause before it. */
static int read_if(Reading *reading) {
    int nested = reading->nested;
    do {
        if (!enter_nested(reading) || !read_named(reading) || !read_block(reading)) return 0;
    } while (accept(reading, K_ELIF));
    reading->nested = nested;
    return read_else(reading);
}

static int read_while(Reading *reading) { return read_named(reading) && read_block(reading) && read_else(reading); }

static int read_for(Reading *reading) {
    return read_targets(reading) && accept(reading, K_IN) && read_values(reading) && read_block(reading)
           && read_else(reading);
}

static int read_try(Reading *reading) {
    int clauses, is_last = 0;
    if (!read_block(reading)) return 0;
    for (clauses = 0; accept(reading, K_EXCEPT); clauses++) {
        if (is_last) return 0;
        if (reading->token == (Token)':') is_last = 1;
        else if (!read_expression(reading) || !read_alias(reading)) return 0;
        if (!read_block(reading)) return 0;
    }
    if (clauses && !read_else(reading)) return 0;
    if (accept(reading, K_FINALLY)) return read_block(reading);
    return clauses > 0;
}

static int read_with(Reading *reading) {
    do {
        if (!read_expression(reading) || (accept(reading, K_AS) && !read_target(reading))) return 0;
    } while (accept(reading, (Token)','));
    return read_block(reading);
}

static int read_def(Reading *reading) {
    if (!accept(reading, WORD) || !accept(reading, (Token)'(') || !read_parameters(reading, (Token)')')) return 0;
    return (!accept(reading, ARROW) || read_expression(reading)) && read_block(reading);
}

static int read_class(Reading *reading) {
    if (!accept(reading, WORD)) return 0;
    return (!accept(reading, (Token)'(') || read_arguments(reading, 0)) && read_block(reading);
}

static int read_decorated(Reading *reading) {
    do {
        if (!read_named(reading) || !accept(reading, LINE_END)) return 0;
    } while (accept(reading, (Token)'@'));
    if (accept(reading, K_CLASS)) return read_class(reading);
    accept(reading, K_ASYNC);
    return accept(reading, K_DEF) && read_def(reading);
}

static int read_statement(Reading *reading) {
    switch ((int)reading->token) {
    case K_IF: next_token(reading); return read_if(reading);
    case K_WHILE: next_token(reading); return read_while(reading);
    case K_FOR: next_token(reading); return read_for(reading);
    case K_TRY: next_token(reading); return read_try(reading);
    case K_WITH: next_token(reading); return read_with(reading);
    case K_DEF: next_token(reading); return read_def(reading);
    case K_CLASS: next_token(reading); return read_class(reading);
    case '@': next_token(reading); return read_decorated(reading);
    case K_ASYNC:
        next_token(reading);
        if (accept(reading, K_DEF)) return read_def(reading);
        return accept(reading, K_FOR) ? read_for(reading) : accept(reading, K_WITH) && read_with(reading);
    default: return read_line_of_statements(reading);
    }
}

/* Whether a text declares an encoding, maybe: only its first two lines can. */
static int may_declare_encoding(const char *place, const char *end) {
    int lines;
    for (lines = 0; lines < 2 && place < end; place++) {
        if (*place == 'c' && !strncmp(place, "coding", 6)) return 1;
        lines += *place == '\n';
    }
    return 0;
}

/* Whether a source is certainly valid; there must be a NUL at its end. */
int is_certainly_valid(const char *start, const char *end) {
    size_t size = (size_t)(end - start);
    Reading reading;
    if (memchr(start, 0, size) || memchr(start, '\r', size) || may_declare_encoding(start, end) || !is_utf8(start, end)) return 0;
    memset(&reading, 0, sizeof reading);
    reading.place = reading.begin = start;
    reading.end = end;
    reading.token = LINE_END;
    reading.at_line_start = 1;
    next_token(&reading);
    while (reading.token != END) {
        if (reading.token == WRONG || !read_statement(&reading)) return 0;
    }
    return 1;
}
