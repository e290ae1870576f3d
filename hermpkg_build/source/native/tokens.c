/* The tokens of the recogniser: only those that every version of Python from 3.10 on reads alike. */

#include "recognise.h"

int is_word_at(const Reading *reading, const char *word) { return is_word(reading->begin, reading->place, word); }

static Token keyword_at(const char *begin, const char *end) {
    static const struct { const char *word; Token token; } table[] = {
        {"False", K_FALSE}, {"None", K_NONE}, {"True", K_TRUE}, {"and", K_AND}, {"as", K_AS}, {"assert", K_ASSERT},
        {"async", K_ASYNC}, {"await", K_AWAIT}, {"break", K_BREAK}, {"class", K_CLASS}, {"continue", K_CONTINUE},
        {"def", K_DEF}, {"del", K_DEL}, {"elif", K_ELIF}, {"else", K_ELSE}, {"except", K_EXCEPT},
        {"finally", K_FINALLY}, {"for", K_FOR}, {"from", K_FROM}, {"global", K_GLOBAL}, {"if", K_IF},
        {"import", K_IMPORT}, {"in", K_IN}, {"is", K_IS}, {"lambda", K_LAMBDA}, {"nonlocal", K_NONLOCAL},
        {"not", K_NOT}, {"or", K_OR}, {"pass", K_PASS}, {"raise", K_RAISE}, {"return", K_RETURN}, {"try", K_TRY},
        {"while", K_WHILE}, {"with", K_WITH}, {"yield", K_YIELD},
    };
    size_t index;
    if (end - begin < 2 || end - begin > 8) return WORD;
    for (index = 0; index < sizeof table / sizeof *table; index++) {
        if (table[index].word[0] == *begin && is_word(begin, end, table[index].word)) return table[index].token;
    }
    return WORD;
}

static int is_in(char c, const char *characters) { return c && strchr(characters, c) != NULL; }

/* The end of digits, with single underscores between them; NULL where there are none. */
static const char *digits_end(const char *place, const char *digits) {
    if (!is_in(*place, digits)) return NULL;
    while (is_in(*place, digits) || (*place == '_' && is_in(place[1], digits))) place++;
    return place;
}

/* The end of a number; NULL for one that is odd. */
static const char *number_end(const char *place) {
    static const char decimal[] = "0123456789";
    const char *begin = place, *behind;
    if (*place == '0' && is_in(place[1], "xX")) return digits_end(place + 2, "0123456789abcdefABCDEF");
    if (*place == '0' && is_in(place[1], "oO")) return digits_end(place + 2, "01234567");
    if (*place == '0' && is_in(place[1], "bB")) return digits_end(place + 2, "01");
    if (*place == '0' && (is_digit(place[1]) || place[1] == '_')) return NULL;
    if (*place != '.') place = digits_end(place, decimal);
    if (place && *place == '.') place = (behind = digits_end(place + 1, decimal)) ? behind : place + 1;
    if (place && is_in(*place, "eE")) place = digits_end(place + (is_in(place[1], "+-") ? 2 : 1), decimal);
    if (place && is_in(*place, "jJ")) place++;
    return place && place - begin <= MOST_DIGITS ? place : NULL;
}

static Token word_token(Reading *reading) {
    reading->place = name_end(reading->begin);
    if (kind_of(*reading->place) == QUOTE && reading->place - reading->begin <= 2) return STRING;
    return kind_of(*reading->place) == BAD && *reading->place ? WRONG : keyword_at(reading->begin, reading->place);
}

static Token number_token(Reading *reading) {
    const char *end = number_end(reading->begin);
    if (!end || kind_of(*end) == NAME || *end == '.' || (kind_of(*end) == BAD && *end)) return WRONG;
    reading->place = end;
    return NUMBER;
}

static Token operator_token(Reading *reading) {
    static const struct { const char *text; Token token; } table[] = {
        {"**=", AUGMENTED}, {"//=", AUGMENTED}, {"<<=", AUGMENTED}, {">>=", AUGMENTED}, {"...", DOTS}, {"**", POWER},
        {"//", FLOOR}, {"<<", LEFT}, {">>", RIGHT}, {"<=", AT_MOST}, {">=", AT_LEAST}, {"==", EQUAL}, {"!=", UNEQUAL},
        {"->", ARROW}, {":=", WALRUS}, {"+=", AUGMENTED}, {"-=", AUGMENTED}, {"*=", AUGMENTED}, {"/=", AUGMENTED},
        {"%=", AUGMENTED}, {"&=", AUGMENTED}, {"|=", AUGMENTED}, {"^=", AUGMENTED}, {"@=", AUGMENTED},
    };
    const char *place = reading->begin;
    size_t index;
    if (place[0] == '<' && place[1] == '>') return WRONG;
    /* Nearly all are of one character. */
    for (index = is_in(place[1], "*/<>=.") ? 0 : sizeof table / sizeof *table; index < sizeof table / sizeof *table; index++) {
        size_t length = strlen(table[index].text);
        if (!strncmp(place, table[index].text, length)) {
            reading->place = place + length;
            return table[index].token;
        }
    }
    reading->place = place + 1;
    if (is_in(*place, "([{") && ++reading->brackets > MOST_NESTED) return WRONG;
    if (is_in(*place, ")]}") && reading->brackets-- <= 0) return WRONG;
    return (Token)*place;
}

/* Find where the next statement begins; note the blocks that begin or end there. */
static Token line_start(Reading *reading) {
    const char *place = reading->place;
    int width;
    for (;;) {
        const char *begin = place;
        while (*place == ' ') place++;
        width = place - begin > WIDEST ? WIDEST + 1 : (int)(place - begin);
        begin = place;
        while (kind_of(*place) == BLANK) place++;
        if (*place == '#' && !(place = memchr(place, '\n', (size_t)(reading->end - place)))) place = reading->end;
        if (place == reading->end) {
            width = 0;
            break;
        }
        if (*place == '\n') {
            place++;
            continue;
        }
        if (place != begin || *place == '\\' || width > WIDEST) return WRONG; /* Tabs and the like have rules of their own. */
        break;
    }
    reading->place = place;
    reading->at_line_start = 0;
    if (width > reading->widths[reading->indents]) {
        if (reading->indents + 1 == MOST_INDENTS) return WRONG;
        reading->widths[++reading->indents] = width;
        return INDENT;
    }
    while (width < reading->widths[reading->indents]) {
        reading->indents--;
        reading->dedents++;
    }
    return width == reading->widths[reading->indents] ? LINE_END : WRONG; /* LINE_END: nothing begins. */
}

static Token token_at(Reading *reading) {
    const char *place;
    if (reading->at_line_start) {
        Token token = line_start(reading);
        if (token != LINE_END) return token;
    }
    if (reading->dedents) {
        reading->dedents--;
        return DEDENT;
    }
    for (place = reading->place;; place++) {
        if (*place == '#' && !(place = memchr(place, '\n', (size_t)(reading->end - place)))) place = reading->end;
        if (*place == '\\' && place[1] == '\n' && place + 2 < reading->end) place++;
        else if (kind_of(*place) != BLANK && !(*place == '\n' && reading->brackets)) break;
    }
    reading->begin = reading->place = place;
    if (place == reading->end || *place == '\n') {
        int in_line = reading->in_line;
        reading->place += place < reading->end;
        reading->at_line_start = 1;
        reading->in_line = 0;
        return in_line ? LINE_END : place == reading->end ? END : WRONG;
    }
    reading->in_line = 1;
    switch (kind_of(*place)) {
    case NAME: return is_digit(*place) ? number_token(reading) : word_token(reading);
    case QUOTE: return STRING;
    case OTHER: case OPENING: case CLOSING:
        return *place == '.' && is_digit(place[1]) ? number_token(reading) : operator_token(reading);
    default: return WRONG;
    }
}

/* Read the next token; after one that is wrong, all are. */
void next_token(Reading *reading) {
    if (reading->token != WRONG) reading->token = token_at(reading);
}
