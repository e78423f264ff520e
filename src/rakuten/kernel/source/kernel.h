/* Compiled kernel of rakuten-classifier: text cleaning, hashed n-grams, linear training, scoring.
 *
 * Called through ctypes (rakuten/kernel), which releases the interpreter lock; every function
 * works on its arguments alone, so calls may run in several threads at once. Functions that can
 * run out of memory return RK_NO_MEMORY and free what they took.
 */
#ifndef RAKUTEN_KERNEL_H
#define RAKUTEN_KERNEL_H

#include <stdint.h>

#define RK_ABI 3
#define RK_OK 0
#define RK_NO_MEMORY 1
#define RK_TOO_LARGE 2

#define RK_EXPORT __attribute__((visibility("default")))

/* Texts one after another in UTF-8 (lone surrogates allowed); text i is bytes
 * [offsets[i], offsets[i + 1]). */
typedef struct {
    const uint8_t *bytes;
    const int64_t *offsets;
} rk_texts;

/* A growing array of code points. */
typedef struct {
    uint32_t *data;
    int64_t length;
    int64_t capacity;
} rk_points;

/* What is known of one text; columns of the counts that rk_clean returns. */
enum { RK_RAW_LENGTH, RK_RAW_UPPER, RK_MARKUP, RK_LENGTH, RK_DIGITS, RK_WORDS, RK_COUNTS };

/* Character properties (unicode_tables.h). */
enum { RK_WORD = 1, RK_DECIMAL = 2, RK_SPACE = 4, RK_UPPER = 8, RK_DIGIT = 16, RK_SECOND = 32 };

uint8_t rk_properties(uint32_t point);
int rk_points_reserve(rk_points *points, int64_t capacity);
void rk_points_free(rk_points *points);

/* Room that cleaning works in; reused from text to text. */
typedef struct {
    rk_points from;
    rk_points to;
} rk_room;

/* Clean one text; the normal form is left in room->from. */
int rk_clean_one(const uint8_t *bytes, int64_t length, rk_room *room, int32_t *counts);

/* Decode a text that is in normal form already; it is left in room->from. */
int rk_decode_one(const uint8_t *bytes, int64_t length, rk_room *room);

void rk_room_free(rk_room *room);

#endif
