/* Regular expressions by RE2, in C for Swift: compile once, match without allocating.
 *
 * Texts are byte strings with a length, not ended by NUL. An expression may be used by one thread
 * at a time without waiting: each worker compiles its own, so that RE2's lock is never contended.
 */
#ifndef MARTLET_REGEX_H
#define MARTLET_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct martlet_regex;

/* Where a group matched; `start` is -1 where it took no part. */
struct martlet_regex_span {
  ptrdiff_t start, end;
};

/* Groups that a caller can ask for, the whole match included. */
enum { MARTLET_REGEX_GROUPS = 10 };

/* NULL where the pattern is wrong; the reason is in `error` then, ended by NUL and cut off at its
 * capacity. */
struct martlet_regex *martlet_regex_make(
    const uint8_t *pattern, size_t length, char *error, size_t capacity);

void martlet_regex_free(struct martlet_regex *regex);

/* Capturing groups in the pattern. */
int martlet_regex_group_count(const struct martlet_regex *regex);

/* Instructions of the program that the pattern became: a measure of its cost. */
int martlet_regex_program_size(const struct martlet_regex *regex);

/* Whether the whole text matches. */
bool martlet_regex_matches(const struct martlet_regex *regex, const uint8_t *text, size_t length);

/* Whether the whole text matches, and where the first `count` groups are (0 is the whole). */
bool martlet_regex_capture(
    const struct martlet_regex *regex, const uint8_t *text, size_t length,
    struct martlet_regex_span *spans, int count);

/* False where `substitution` has a \ that is not followed by \ or the number of a group that there
 * is; the reason is in `error` then. */
bool martlet_regex_check_substitution(
    const struct martlet_regex *regex, const uint8_t *substitution, size_t length, char *error,
    size_t capacity);

/* Receives pieces of a result. */
typedef void (*martlet_regex_sink)(void *context, const uint8_t *bytes, size_t length);

/* Gives `text` to the sink with every match replaced by the substitution, which was checked. */
void martlet_regex_replace_all(
    const struct martlet_regex *regex, const uint8_t *text, size_t length,
    const uint8_t *substitution, size_t substitution_length, martlet_regex_sink sink, void *context);

#ifdef __cplusplus
}
#endif

#endif
