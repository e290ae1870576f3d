/* The string literals of the recogniser: escapes that have a meaning, and fields that all versions read alike. */

#include "recognise.h"

/* What the prefix of a literal says of it. */
typedef struct {
    int raw, bytes, formatted;
    char quote;
    int width; /* of its quotes: 1 or 3 */
} Style;

static int take_prefix(const char *begin, const char *quote, Style *style) {
    int has_u = 0;
    memset(style, 0, sizeof *style);
    for (; begin < quote; begin++) {
        char lower = (char)(*begin | 0x20);
        if (lower == 'r') style->raw++;
        else if (lower == 'b') style->bytes++;
        else if (lower == 'f') style->formatted++;
        else if (lower == 'u') has_u++;
        else return 0;
    }
    style->quote = *quote;
    style->width = quote[1] == *quote && quote[2] == *quote ? 3 : 1;
    if (style->raw > 1 || style->bytes > 1 || style->formatted > 1 || (style->bytes && style->formatted)) return 0;
    return !has_u || (has_u == 1 && !style->raw && !style->bytes && !style->formatted);
}

static int is_hexadecimal(char c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

/* The end of an escape that has a meaning, behind its backslash; NULL for any other. */
static const char *escape_end(const char *place, const Style *style) {
    int digits = *place == 'x' ? 2 : *place == 'u' ? 4 : 0;
    if (*place >= '0' && *place <= '3') return place + 1; /* What follows is octal, or text. */
    if (*place && strchr("\n\\'\"abfnrtv", *place)) return place + 1;
    if (!digits || (style->bytes && digits > 2)) return NULL;
    for (place++; digits; digits--, place++) {
        if (!is_hexadecimal(*place)) return NULL;
    }
    return place;
}

static int is_closing(const char *place, const Style *style) {
    return *place == style->quote && (style->width == 1 || (place[1] == style->quote && place[2] == style->quote));
}

/* Read past a replacement field whose brace is just before the place, and what it formats by.
 *
 * Before 3.12 its text must not have what ends the literal, backslashes or comments. */
static int read_field(Reading *reading, const Style *style, int level) {
    int brackets = reading->brackets, nested = reading->in_field;
    const char *begin = reading->place, *place;
    reading->brackets = reading->in_field = 1;
    next_token(reading);
    if (*begin == '{' || !read_expression(reading)) return 0;
    if (reading->token == (Token)'=' && !level) next_token(reading); /* Python 3.12 fails at one in a format. */
    for (place = begin; place < reading->place; place++) {
        if (*place == style->quote || *place == '\\' || *place == '#' || *place == '\n') return 0;
    }
    if (reading->token == (Token)'!') {
        if (*place != 'r' && *place != 's' && *place != 'a') return 0;
        reading->token = (Token)*++place;
        place++;
    }
    if (reading->token == (Token)':') {
        for (; *place != '}'; place++) {
            if (!*place || *place == style->quote || *place == '\\' || *place == '\n') return 0;
            if (*place == '{') {
                reading->place = place + 1;
                if (level || !read_field(reading, style, 1)) return 0;
                place = reading->place - 1;
            }
        }
        place++;
    } else if (reading->token != (Token)'}') {
        return 0;
    }
    reading->place = place;
    reading->brackets = brackets;
    reading->in_field = nested;
    return 1;
}

/* Read past a literal whose opening quote is at the place. */
static int read_literal(Reading *reading, const Style *style) {
    const char *place = reading->place + style->width;
    while (!is_closing(place, style)) {
        if (place >= reading->end || (*place == '\n' && style->width == 1)) return 0;
        if (style->bytes && (unsigned char)*place >= 0x80) return 0;
        if (*place == '\\') {
            if (style->raw && (style->formatted || place + 1 >= reading->end)) return 0;
            place = style->raw ? place + 2 : escape_end(place + 1, style);
            if (!place) return 0;
        } else if (style->formatted && *place == '{' && place[1] != '{') {
            reading->place = place + 1;
            if (!read_field(reading, style, 0)) return 0;
            place = reading->place;
        } else if (style->formatted && (*place == '{' || *place == '}')) {
            if (place[1] != *place) return 0;
            place += 2;
        } else {
            place++;
        }
    }
    reading->place = place + style->width;
    return 1;
}

/* Read past the literals at hand, which are all of bytes or all of text. */
int read_literals(Reading *reading) {
    int first = -1;
    while (reading->token == STRING) {
        Style style;
        if (!take_prefix(reading->begin, reading->place, &style)) return 0;
        if (first >= 0 && first != style.bytes) return 0;
        if (reading->in_field && (style.formatted || style.width == 3)) return 0;
        first = style.bytes;
        if (!read_literal(reading, &style)) return 0;
        if (kind_of(*reading->place) == NAME || kind_of(*reading->place) == BAD) {
            if (reading->place < reading->end) return 0;
        }
        next_token(reading);
    }
    return 1;
}
