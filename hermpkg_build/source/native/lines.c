/* The lexer: kinds of bytes, words, and the ends of strings and of logical lines. */

#include "scan.h"

unsigned char kinds[256];

void fill_kinds(void) {
    const char *other = "!%&*+,-./:;<=>@^|~";
    int c;
    for (c = '0'; c <= '9'; c++) kinds[c] = NAME;
    for (c = 'a'; c <= 'z'; c++) kinds[c] = kinds[c - 'a' + 'A'] = NAME;
    kinds['_'] = NAME;
    for (; *other; other++) kinds[(unsigned char)*other] = OTHER;
    kinds[' '] = kinds['\t'] = kinds['\f'] = BLANK;
    kinds['"'] = kinds['\''] = QUOTE;
    kinds['#'] = HASH;
    kinds['('] = kinds['['] = kinds['{'] = OPENING;
    kinds[')'] = kinds[']'] = kinds['}'] = CLOSING;
    kinds['\n'] = NEWLINE;
    kinds['\\'] = BACKSLASH;
}

/* Whether all bytes up to `end` are UTF-8 as Python decodes it: no overlong forms, no surrogates. */
int is_utf8(const char *start, const char *end) {
    const unsigned char *place = (const unsigned char *)start, *last = (const unsigned char *)end;
    while (place < last) {
        unsigned char lead = *place++, low = 0x80, high = 0xBF;
        int more;
        if (lead < 0x80) {
            unsigned long long eight;
            for (; last - place >= 8; place += 8) {
                memcpy(&eight, place, 8);
                if (eight & 0x8080808080808080ULL) break;
            }
            continue;
        }
        if (lead < 0xC2 || lead > 0xF4) return 0;
        more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED) high = 0x9F;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
        if (last - place < more) return 0;
        for (; more; more--, low = 0x80, high = 0xBF) {
            if (*place < low || *place > high) return 0;
            place++;
        }
    }
    return 1;
}

Keyword keyword_of(const char *begin, const char *end) {
    static const struct { const char *word; Keyword keyword; } table[] = {
        {"if", IF}, {"def", DEF}, {"for", FOR}, {"try", TRYING}, {"del", NO_HEADER}, {"else", ELSE}, {"elif", ELIF},
        {"from", FROM}, {"with", WITH}, {"case", CASE}, {"pass", NO_HEADER}, {"class", CLASS}, {"while", WHILE},
        {"async", ASYNC}, {"match", MATCH}, {"raise", NO_HEADER}, {"break", NO_HEADER}, {"import", IMPORT},
        {"except", EXCEPT}, {"return", NO_HEADER}, {"global", NO_HEADER}, {"assert", NO_HEADER},
        {"finally", FINALLY}, {"continue", NO_HEADER}, {"nonlocal", NO_HEADER},
    };
    size_t index;
    if (end - begin < 2 || end - begin > 8 || *begin < 'a') return NO_KEYWORD;
    for (index = 0; index < sizeof table / sizeof *table; index++) {
        if (table[index].word[0] == *begin && is_word(begin, end, table[index].word)) return table[index].keyword;
    }
    return NO_KEYWORD;
}

/* Whether a word at the start of a line would be taken for a statement, also where brackets are open: in a valid
 * source it stands in none. */
int begins_statement(const char *begin, const char *end) {
    switch (keyword_of(begin, end)) {
    case NO_KEYWORD: case IF: case FOR: case FROM: case MATCH: case CASE: return 0;
    case ELSE: return *skip_blanks(end) == ':';
    default: return 1;
    }
}

/* ODD for the names that only Python looks into. */
Verdict see_word(const Scan *scan, const char *begin, const char *end) {
    Py_ssize_t length = end - begin, index;
    if (length > 63 || !(scan->wanted >> length & 1)) return PLAIN;
    for (index = 0; index < scan->words_count; index++) {
        if (scan->lengths[index] == length && !memcmp(begin, scan->words[index], (size_t)length)) return ODD;
    }
    return PLAIN;
}

/* Note a name in code that is not part of an import statement. */
static Verdict see_name(Scan *scan, const char *begin, const char *end) {
    Py_ssize_t length = end - begin;
    if (length > 63 || !(scan->wanted >> length & 1)) return PLAIN;
    if (is_word(begin, end, "import") || is_word(begin, end, "__all__")) return ODD; /* Plain ones are read elsewhere. */
    if (is_word(begin, end, "TYPE_CHECKING")) scan->asks_typing = 1;
    if (is_word(begin, end, "suppress")) scan->suppresses = 1;
    return see_word(scan, begin, end);
}

/* Read past a string without replacement fields whose opening quote is at the place. */
static Verdict read_string(Scan *scan) {
    const char *place = scan->place, *back;
    char quote = *place++;
    if (place[0] == quote && place[1] == quote) {
        const char *from = place += 2;
        while ((place = memchr(from, quote, (size_t)(scan->end - from)))) {
            for (back = place; back > from && back[-1] == '\\'; back--) {}
            if ((place - back) % 2 == 0 && place[1] == quote && place[2] == quote) {
                scan->place = place + 3;
                return PLAIN;
            }
            from = place + 1;
        }
        return ODD;
    }
    for (;; place++) {
        if (*place == quote) break;
        if (*place == '\n' || !*place) return ODD;
        if (*place == '\\' && !*++place) return ODD;
    }
    scan->place = place + 1;
    return PLAIN;
}

/* Read past a plain string of the other quote within a replacement field. */
static const char *inner_string(const char *place, char outer) {
    char quote = *place;
    if (quote == outer || (place[1] == quote && place[2] == quote)) return NULL;
    for (place++; *place != quote; place++) {
        if (!*place || *place == '\n' || *place == '\\' || *place == outer) return NULL;
    }
    return place + 1;
}

/* Read past a replacement field whose brace is just before the place: only what all versions read alike. */
static Verdict read_field(Scan *scan, char outer, int nesting) {
    const char *place = scan->place, *begin;
    int depth = 0;
    Verdict verdict;
    for (;;) {
        char c = *place;
        switch (kind_of(c)) {
        case NAME:
            begin = place;
            place = name_end(place);
            if (kind_of(*place) == QUOTE) return ODD;
            if ((verdict = see_name(scan, begin, place)) != PLAIN) return verdict;
            continue;
        case QUOTE:
            if (!(place = inner_string(place, outer))) return ODD;
            continue;
        case OPENING:
            if (++depth > MOST_BRACKETS) return ODD;
            break;
        case CLOSING:
            if (!depth) goto found;
            depth--;
            break;
        case OTHER:
            if (c == '!' && place[1] == '=') place++;
            else if (!depth && (c == ':' || c == '!')) goto found;
            break;
        case BLANK: break;
        default: return ODD;
        }
        place++;
    }
found:
    if (*place == '!') {
        place = skip_blanks(place + 1);
        begin = place;
        place = name_end(place);
        if (place == begin) return ODD;
        place = skip_blanks(place);
    }
    if (*place == ':') {
        for (place++; *place != '}'; place++) {
            if (*place == '{') {
                scan->place = place + 1;
                if (nesting || (verdict = read_field(scan, outer, 1)) == ODD) return ODD;
                if (verdict == FAILED) return FAILED;
                place = scan->place - 1;
            } else if (kind_of(*place) == BAD || kind_of(*place) == QUOTE || *place == '\n' || *place == '\\') {
                return ODD;
            }
        }
    }
    if (*place != '}') return ODD;
    scan->place = place + 1;
    return PLAIN;
}

/* Read past an f-string, or a t-string, whose opening quote is at the place. */
static Verdict read_formatted(Scan *scan) {
    const char *place = scan->place;
    char quote = *place++;
    int width = 1;
    if (place[0] == quote && place[1] == quote) {
        width = 3;
        place += 2;
    }
    for (;;) {
        char c = *place;
        if (c == quote && (width == 1 || (place[1] == quote && place[2] == quote))) break;
        if (!c || (c == '\n' && width == 1)) return ODD;
        if (c == '\\') {
            /* What a backslash means before these differs between raw and other strings. */
            if (!*++place || *place == '{' || *place == '}' || *place == 'N') return ODD;
        } else if (c == '{') {
            if (place[1] != '{') {
                Verdict verdict;
                scan->place = place + 1;
                if ((verdict = read_field(scan, quote, 0)) != PLAIN) return verdict;
                place = scan->place;
                continue;
            }
            place++;
        }
        place++;
    }
    scan->place = place + width;
    return PLAIN;
}

/* Read past a string literal whose prefix, maybe empty, is between two places. */
static Verdict read_literal(Scan *scan, const char *prefix, const char *quote) {
    static const char *const plain[] = {"", "r", "b", "u", "rb", "br"}, *const formatted[] = {"f", "t", "fr", "rf", "tr", "rt"};
    char lower[3] = "";
    size_t index, length = (size_t)(quote - prefix);
    scan->place = quote;
    if (length && is_digit(*prefix)) return ODD;
    if (length > 2) return read_string(scan); /* No prefix: ``in"a"``. */
    for (index = 0; index < length; index++) lower[index] = (char)(prefix[index] | 0x20);
    for (index = 0; index < sizeof formatted / sizeof *formatted; index++) {
        if (!strcmp(lower, formatted[index])) return read_formatted(scan);
    }
    for (index = 0; index < sizeof plain / sizeof *plain; index++) {
        if (!strcmp(lower, plain[index])) return read_string(scan);
    }
    return is_word(prefix, quote, "in") || is_word(prefix, quote, "is") || is_word(prefix, quote, "or")
                   || is_word(prefix, quote, "if")
               ? read_string(scan)
               : ODD;
}

/* Read past the rest of a logical line; `opens` then tells whether it ends with a colon. */
Verdict read_line(Scan *scan) {
    const char *begin;
    char last = 0;
    int depth = 0;
    Verdict verdict;
    scan->asks_typing = scan->suppresses = 0;
    for (;;) {
        char c = *scan->place;
        switch (kind_of(c)) {
        case NAME:
            begin = scan->place;
            scan->place = name_end(begin);
            last = c;
            verdict = kind_of(*scan->place) == QUOTE ? read_literal(scan, begin, scan->place)
                                                     : see_name(scan, begin, scan->place);
            if (verdict != PLAIN) return verdict;
            continue;
        case QUOTE:
            last = c;
            if ((verdict = read_literal(scan, scan->place, scan->place)) != PLAIN) return verdict;
            continue;
        case HASH:
            if (!(scan->place = line_end(scan, scan->place))) return ODD;
            continue;
        case OPENING:
            if (++depth > MOST_BRACKETS) return ODD;
            break;
        case CLOSING:
            if (!depth--) return ODD;
            break;
        case NEWLINE:
            scan->place++;
            if (!depth) {
                scan->opens = last == ':';
                return PLAIN;
            }
            for (begin = scan->place; kind_of(*begin) == BLANK; begin++) {}
            if (begins_statement(begin, name_end(begin))) return ODD;
            continue;
        case BACKSLASH:
            if (*++scan->place != '\n') return ODD;
            scan->place++;
            continue;
        case BAD: return ODD;
        default: break;
        }
        if (kind_of(c) != BLANK) last = c;
        scan->place++;
    }
}
