/* The expressions of the recogniser: chains of operands are loops, as deep as anything else may lie. */

#include "recognise.h"

static Form read_bitwise(Reading *reading);
static Form read_disjunction(Reading *reading);

static Form leave(Reading *reading, Form form) {
    reading->nested--;
    return form;
}

/* Read past what a comprehension has behind its element; true also where there is none. */
static int read_clauses(Reading *reading) {
    int count;
    for (count = 0; reading->token == K_FOR || reading->token == K_ASYNC; count++) {
        if (count == MOST_CHAINED) return 0;
        accept(reading, K_ASYNC);
        if (!accept(reading, K_FOR) || !read_targets(reading) || !accept(reading, K_IN)) return 0;
        if (!read_disjunction(reading)) return 0;
        while (accept(reading, K_IF)) {
            if (count++ == MOST_CHAINED || !read_disjunction(reading)) return 0;
        }
    }
    return 1;
}

static int begins_clauses(const Reading *reading) { return reading->token == K_FOR || reading->token == K_ASYNC; }

/* Read past an element, which may be starred. */
static Form read_starred(Reading *reading, Form (*read_other)(Reading *)) {
    Form form;
    if (!accept(reading, (Token)'*')) return read_other(reading);
    form = read_bitwise(reading);
    return form ? (form & TARGET) | RIGHT_FORM | STARRED : NO_FORM;
}

/* Read past a display behind its opening bracket: of parentheses, or of a list. */
static Form read_display(Reading *reading, Token closing) {
    Form form = NO_FORM, all = TARGET;
    int count = 0, commas = 0;
    if (reading->token == K_YIELD && closing == (Token)')') return read_yield(reading) && accept(reading, closing) ? RIGHT_FORM : NO_FORM;
    while (reading->token != closing) {
        if (!(form = read_starred(reading, read_named))) return NO_FORM;
        if (!count && begins_clauses(reading)) {
            return !(form & STARRED) && read_clauses(reading) && accept(reading, closing) ? RIGHT_FORM : NO_FORM;
        }
        all &= form;
        count++;
        if (!accept(reading, (Token)',')) break;
        commas++;
    }
    if (!accept(reading, closing)) return NO_FORM;
    if (closing == (Token)')' && count == 1 && !commas && form & STARRED) return NO_FORM;
    return count ? all | RIGHT_FORM : RIGHT_FORM;
}

/* Read past a dictionary or a set behind its opening brace. */
static Form read_braces(Reading *reading) {
    const Token closing = (Token)'}';
    int count, is_set = 0;
    for (count = 0; reading->token != closing; count++) {
        if (accept(reading, POWER)) {
            if (is_set || !read_bitwise(reading)) return NO_FORM;
        } else {
            Form form = is_set ? read_starred(reading, read_named) : read_starred(reading, read_expression);
            if (!form) return NO_FORM;
            if (!count) is_set = reading->token != (Token)':';
            if (!is_set && (form & STARRED || !accept(reading, (Token)':') || !read_expression(reading))) return NO_FORM;
            if (!count && begins_clauses(reading)) {
                return !(form & STARRED) && read_clauses(reading) && accept(reading, closing) ? RIGHT_FORM : NO_FORM;
            }
        }
        if (!accept(reading, (Token)',')) break;
    }
    return accept(reading, closing) ? RIGHT_FORM : NO_FORM;
}

/* Read past the arguments of a call or a class behind the opening parenthesis. */
int read_arguments(Reading *reading, int is_call) {
    int count, named = 0, unpacked = 0;
    for (count = 0; reading->token != (Token)')'; count++) {
        if (accept(reading, POWER)) {
            if (!read_expression(reading)) return 0;
            unpacked = 1;
        } else if (accept(reading, (Token)'*')) {
            if (unpacked || !read_expression(reading)) return 0;
        } else {
            Form form = read_named(reading);
            if (!form) return 0;
            if (form & BARE && accept(reading, (Token)'=')) {
                if (!read_expression(reading)) return 0;
                named = 1;
            } else if (named || unpacked) {
                return 0;
            } else if (begins_clauses(reading)) {
                return is_call && !count && read_clauses(reading) && accept(reading, (Token)')');
            }
        }
        if (!accept(reading, (Token)',')) break;
    }
    return accept(reading, (Token)')');
}

/* Read past one item of a subscript: a slice, or a value. */
static int read_slice(Reading *reading) {
    int colons = 0;
    for (;;) {
        if (reading->token != (Token)':' && reading->token != (Token)',' && reading->token != (Token)']') {
            if (!read_expression(reading)) return 0;
        } else if (reading->token != (Token)':' && !colons) {
            return 0;
        }
        if (reading->token != (Token)':') return 1;
        if (++colons > 2) return 0;
        next_token(reading);
    }
}

static int read_subscript(Reading *reading) {
    do {
        if (!read_slice(reading)) return 0;
    } while (accept(reading, (Token)',') && reading->token != (Token)']');
    return accept(reading, (Token)']');
}

static Form read_atom(Reading *reading) {
    Token token = reading->token;
    switch ((int)token) {
    case WORD: next_token(reading); return RIGHT_FORM | TARGET | SINGLE | BARE;
    case STRING: return read_literals(reading) ? RIGHT_FORM : NO_FORM;
    case NUMBER: case DOTS: case K_NONE: case K_TRUE: case K_FALSE: next_token(reading); return RIGHT_FORM;
    case '(': next_token(reading); return read_display(reading, (Token)')');
    case '[': next_token(reading); return read_display(reading, (Token)']');
    case '{': next_token(reading); return read_braces(reading);
    default: return NO_FORM;
    }
}

/* Read past an atom with its attributes, calls and items. */
static Form read_primary(Reading *reading) {
    Form form = enter_nested(reading) ? read_atom(reading) : NO_FORM;
    int count;
    for (count = 0; form && count < MOST_CHAINED; count++) {
        if (accept(reading, (Token)'.')) {
            form = accept(reading, WORD) ? RIGHT_FORM | TARGET | SINGLE : NO_FORM;
        } else if (accept(reading, (Token)'(')) {
            form = read_arguments(reading, 1) ? RIGHT_FORM : NO_FORM;
        } else if (accept(reading, (Token)'[')) {
            form = read_subscript(reading) ? RIGHT_FORM | TARGET | SINGLE : NO_FORM;
        } else {
            return leave(reading, form);
        }
    }
    return leave(reading, NO_FORM);
}

static Form read_unary(Reading *reading) {
    int signs = 0;
    Form form;
    while (reading->token == (Token)'+' || reading->token == (Token)'-' || reading->token == (Token)'~') {
        if (++signs > MOST_PREFIXES) return NO_FORM;
        next_token(reading);
    }
    signs += accept(reading, K_AWAIT);
    form = read_primary(reading);
    return form && signs ? RIGHT_FORM : form;
}

static int is_binary(Token token) {
    switch ((int)token) {
    case '+': case '-': case '*': case '/': case '%': case '@': case '|': case '&': case '^':
    case POWER: case FLOOR: case LEFT: case RIGHT: return 1;
    default: return 0;
    }
}

/* Of operands and operators any order is valid, whichever binds closer. */
static Form read_bitwise(Reading *reading) {
    Form form = read_unary(reading);
    int count, powers = 0;
    for (count = 0; form && is_binary(reading->token); count++) {
        powers += reading->token == POWER; /* The only ones that lie in each other. */
        next_token(reading);
        form = powers <= MOST_PREFIXES && count < MOST_CHAINED && read_unary(reading) ? RIGHT_FORM : NO_FORM;
    }
    return form;
}

static int accept_comparison(Reading *reading) {
    switch ((int)reading->token) {
    case '<': case '>': case AT_MOST: case AT_LEAST: case EQUAL: case UNEQUAL: case K_IN: next_token(reading); return 1;
    case K_IS: next_token(reading); accept(reading, K_NOT); return 1;
    case K_NOT: next_token(reading); return accept(reading, K_IN) ? 1 : -1;
    default: return 0;
    }
}

static Form read_comparison(Reading *reading) {
    Form form = read_bitwise(reading);
    int count, found;
    for (count = 0; form && (found = accept_comparison(reading)); count++) {
        form = found > 0 && count < MOST_CHAINED && read_bitwise(reading) ? RIGHT_FORM : NO_FORM;
    }
    return form;
}

static Form read_inversion(Reading *reading) {
    int count;
    for (count = 0; reading->token == K_NOT; count++) {
        if (count == MOST_PREFIXES) return NO_FORM;
        next_token(reading);
    }
    return count ? (read_comparison(reading) ? RIGHT_FORM : NO_FORM) : read_comparison(reading);
}

static Form read_disjunction(Reading *reading) {
    Form form = read_inversion(reading);
    int count;
    for (count = 0; form && (reading->token == K_AND || reading->token == K_OR); count++) {
        next_token(reading);
        form = count < MOST_CHAINED && read_inversion(reading) ? RIGHT_FORM : NO_FORM;
    }
    return form;
}

/* Read past the parameters of a function behind the parenthesis, or of a lambda. */
int read_parameters(Reading *reading, Token closing) {
    int count, defaults = 0, star = 0, slash = 0, has_names = 0;
    const int annotated = closing == (Token)')';
    for (count = 0; reading->token != closing; count++) {
        const int doubled = accept(reading, POWER), starred = !doubled && accept(reading, (Token)'*');
        if (accept(reading, (Token)'/')) {
            if (doubled || starred || star || slash || !count) return 0;
            slash = 1;
        } else if (starred && reading->token == (Token)',') {
            if (star) return 0;
            star = 1;
            has_names = 0;
        } else {
            if (!accept(reading, WORD) || (starred && star)) return 0;
            if (annotated && accept(reading, (Token)':') && !read_expression(reading)) return 0;
            if (accept(reading, (Token)'=')) {
                if (starred || doubled || !read_expression(reading)) return 0;
                defaults = 1;
            } else if (defaults && !star && !starred && !doubled) {
                return 0;
            }
            if (doubled && star && !has_names) return 0;
            has_names = 1;
            star |= starred;
            if (doubled) {
                accept(reading, (Token)',');
                return accept(reading, closing);
            }
        }
        if (!accept(reading, (Token)',')) break;
    }
    return (!star || has_names) && accept(reading, closing);
}

static Form read_lambda(Reading *reading) {
    int valid = !reading->in_field && enter_nested(reading) && read_parameters(reading, (Token)':') && read_expression(reading);
    return leave(reading, valid ? RIGHT_FORM : NO_FORM);
}

Form read_expression(Reading *reading) {
    Form form;
    if (accept(reading, K_LAMBDA)) return read_lambda(reading);
    form = read_disjunction(reading);
    if (!form || !accept(reading, K_IF)) return form;
    if (!read_disjunction(reading) || !accept(reading, K_ELSE)) return NO_FORM;
    form = enter_nested(reading) && read_expression(reading) ? RIGHT_FORM : NO_FORM;
    return leave(reading, form);
}

/* Read past an expression that may be given a name. */
Form read_named(Reading *reading) {
    Form form = read_expression(reading);
    if (!(form & BARE) || !accept(reading, WALRUS)) return form;
    return read_expression(reading) ? RIGHT_FORM : NO_FORM;
}

static int ends_values(Token token) {
    return token == LINE_END || token == (Token)'=' || token == (Token)':' || token == (Token)';' || token == (Token)')';
}

/* Read past values with commas between them, of which some may be starred. */
Form read_values(Reading *reading) {
    Form all = TARGET, form = NO_FORM;
    int count = 0, comma = 0;
    do {
        if (count && ends_values(reading->token)) break;
        if (!(form = read_starred(reading, read_expression))) return NO_FORM;
        all &= form;
        count++;
    } while ((comma = accept(reading, (Token)',')));
    if (count == 1 && !comma) return form & STARRED ? NO_FORM : form;
    return all | RIGHT_FORM;
}

/* Read past what one value can be assigned to. */
Form read_target(Reading *reading) {
    Form form = read_primary(reading);
    return form & TARGET ? form : NO_FORM;
}

/* Read past what values are assigned to by a loop. */
int read_targets(Reading *reading) {
    int count = 0, starred = 0, comma = 0;
    do {
        if (count && reading->token == K_IN) break;
        starred = accept(reading, (Token)'*');
        if (!read_target(reading)) return 0;
        count++;
    } while ((comma = accept(reading, (Token)',')));
    return count > 1 || !starred || comma;
}

int read_yield(Reading *reading) {
    if (!accept(reading, K_YIELD)) return 0;
    if (accept(reading, K_FROM)) return read_expression(reading) != NO_FORM;
    if (reading->token == LINE_END || reading->token == (Token)';' || reading->token == (Token)')') return 1;
    return read_values(reading) != NO_FORM;
}
