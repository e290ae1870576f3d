/* What the parts of the recogniser share: the state of one reading, and the tokens. */

#ifndef HERMPKG_RECOGNISE_H
#define HERMPKG_RECOGNISE_H

#include "scan.h"

/* Far below what any version of Python can take, also where all of it meets. */
enum { MOST_INDENTS = 40, MOST_NESTED = 50, MOST_CHAINED = 200, MOST_PREFIXES = 3, MOST_DIGITS = 300, WIDEST = 1000 };

/* Tokens besides those of one character, which stand for themselves. */
typedef enum {
    WRONG = 0, /* nothing that is certainly a token */
    END = 256, LINE_END, INDENT, DEDENT, WORD, NUMBER, STRING,
    POWER, FLOOR, LEFT, RIGHT, AT_MOST, AT_LEAST, EQUAL, UNEQUAL, ARROW, WALRUS, DOTS, AUGMENTED,
    K_FALSE, K_NONE, K_TRUE, K_AND, K_AS, K_ASSERT, K_ASYNC, K_AWAIT, K_BREAK, K_CLASS, K_CONTINUE, K_DEF, K_DEL,
    K_ELIF, K_ELSE, K_EXCEPT, K_FINALLY, K_FOR, K_FROM, K_GLOBAL, K_IF, K_IMPORT, K_IN, K_IS, K_LAMBDA, K_NONLOCAL,
    K_NOT, K_OR, K_PASS, K_RAISE, K_RETURN, K_TRY, K_WHILE, K_WITH, K_YIELD
} Token;

/* What an expression could stand for, besides its value; `RIGHT_FORM` alone says that it is one. */
typedef enum {
    NO_FORM = 0,
    RIGHT_FORM = 1,
    TARGET = 2, /* Values can be assigned to it, also as one of several. */
    SINGLE = 4, /* a name, an attribute or an item, without parentheses */
    BARE = 8,   /* a name alone */
    STARRED = 16
} Form;

/* The `token` at hand lies between `begin` and `place`; of a string, `place` is its opening quote. */
typedef struct {
    const char *end, *place, *begin;
    Token token;
    int widths[MOST_INDENTS], indents; /* the blocks that are open */
    int dedents;                       /* of these so many end before the next token */
    int brackets, nested, in_field;
    int at_line_start, in_line; /* No token of the line was read yet, and one was. */
} Reading;

/* tokens.c */
void next_token(Reading *reading);
int is_word_at(const Reading *reading, const char *word);

/* strings.c: reads past the literals at hand, which stand side by side */
int read_literals(Reading *reading);

static inline int enter_nested(Reading *reading) { return ++reading->nested <= MOST_NESTED; }

/* expressions.c: each reads past the longest expression of its kind */
Form read_expression(Reading *reading);
Form read_named(Reading *reading);
Form read_values(Reading *reading);
Form read_target(Reading *reading);
int read_targets(Reading *reading);
int read_yield(Reading *reading);
int read_parameters(Reading *reading, Token closing);
int read_arguments(Reading *reading, int is_call);

static inline int accept(Reading *reading, Token token) {
    if (reading->token != token) return 0;
    next_token(reading);
    return 1;
}

/* statements of a whole source */
int is_certainly_valid(const char *start, const char *end);

#endif
