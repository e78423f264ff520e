/* The normal form of a text: see rakuten/text.py for what it is and why. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

#include "unicode_tables.h"

#define DROPPED INT32_MAX
#define SEQUENCE 0x40000000

/* ---------------------------------------------------------------- code points */

int rk_points_reserve(rk_points *points, int64_t capacity) {
    if (capacity <= points->capacity) return RK_OK;
    int64_t wanted = points->capacity ? points->capacity : 1024;
    while (wanted < capacity) wanted *= 2;
    uint32_t *data = realloc(points->data, (size_t)wanted * sizeof *data);
    if (!data) return RK_NO_MEMORY;
    points->data = data;
    points->capacity = wanted;
    return RK_OK;
}

void rk_points_free(rk_points *points) {
    free(points->data);
    memset(points, 0, sizeof *points);
}

void rk_room_free(rk_room *room) {
    rk_points_free(&room->from);
    rk_points_free(&room->to);
}

static void swap_room(rk_room *room) {
    rk_points kept = room->from;
    room->from = room->to;
    room->to = kept;
}

uint8_t rk_properties(uint32_t point) {
    return property_blocks[property_index[point >> TABLE_SHIFT]][point & TABLE_MASK];
}

static int is(uint32_t point, int property) { return (rk_properties(point) & property) != 0; }

/* Next code point of well-formed UTF-8 (Python's "surrogatepass"); never reads past the end. */
static uint32_t next_point(const uint8_t *bytes, int64_t length, int64_t *at) {
    uint32_t first = bytes[(*at)++];
    if (first < 0x80) return first;
    int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    uint32_t point = first & (0x3F >> more);
    while (more-- && *at < length) point = point << 6 | (bytes[(*at)++] & 0x3F);
    return point <= 0x10FFFF ? point : 0xFFFD;
}

int rk_decode_one(const uint8_t *bytes, int64_t length, rk_room *room) {
    if (rk_points_reserve(&room->from, length)) return RK_NO_MEMORY;
    int64_t count = 0;
    for (int64_t at = 0; at < length;) room->from.data[count++] = next_point(bytes, length, &at);
    room->from.length = count;
    return RK_OK;
}

/* ---------------------------------------------------------------- folding */

typedef struct {
    const uint16_t *index;
    const int32_t (*blocks)[TABLE_MASK + 1];
} folding;

static const folding FOLD = {fold_index, fold_blocks};
static const folding LOWER = {lower_index, lower_blocks};

/* Hangul syllables are composed by arithmetic (Unicode standard, section 3.12). */
static uint32_t compose(uint32_t first, uint32_t second) {
    if (first >= 0x1100 && first < 0x1113 && second >= 0x1161 && second < 0x1176)
        return 0xAC00 + ((first - 0x1100) * 21 + (second - 0x1161)) * 28;
    if (first >= 0xAC00 && first < 0xD7A4 && (first - 0xAC00) % 28 == 0 && second > 0x11A7 &&
        second < 0x11C3)
        return first + (second - 0x11A7);
    for (int i = 0; i < COMPOSITIONS; i++)
        if (compositions[i][0] == first && compositions[i][1] == second) return compositions[i][2];
    return 0;
}

/* Write the folded form of `point` at `count`; there is room for LONGEST_SEQUENCE more. */
static inline int64_t fold_point(const folding *table, uint32_t point, uint32_t *out, int64_t count) {
    int32_t step = table->blocks[table->index[point >> TABLE_SHIFT]][point & TABLE_MASK];
    if (step == DROPPED) return count;
    if (step < SEQUENCE) {
        point = (uint32_t)((int32_t)point + step);
        if (count && is(point, RK_SECOND)) {
            uint32_t composed = compose(out[count - 1], point);
            if (composed) {
                out[count - 1] = composed;
                return count;
            }
        }
        out[count++] = point;
        return count;
    }
    const uint32_t *sequence = sequences + (step - SEQUENCE);
    for (uint32_t i = 1; i <= sequence[0]; i++) out[count++] = sequence[i];
    return count;
}

/* Fold room->from, or `bytes` where they are given, into the other half of the room. */
static int fold(const folding *table, const uint8_t *bytes, int64_t length, rk_room *room) {
    int64_t count = 0, total = bytes ? length : room->from.length;
    if (rk_points_reserve(&room->to, total + LONGEST_SEQUENCE)) return RK_NO_MEMORY;
    for (int64_t at = 0; at < total;) {
        uint32_t point = bytes ? next_point(bytes, length, &at) : room->from.data[at++];
        /* What is left in the source needs at most one place each, unless it expands. */
        if (rk_points_reserve(&room->to, count + LONGEST_SEQUENCE + 1)) return RK_NO_MEMORY;
        count = fold_point(table, point, room->to.data, count);
    }
    room->to.length = count;
    swap_room(room);
    return RK_OK;
}

/* ---------------------------------------------------------------- entities (HTML 5) */

static int compare_entity(const char *name, int length, int entity) {
    const char *known = entity_names + entity_starts[entity];
    int known_length = entity_starts[entity + 1] - entity_starts[entity];
    int shorter = length < known_length ? length : known_length;
    int order = memcmp(name, known, (size_t)shorter);
    return order ? order : length - known_length;
}

static int find_entity(const char *name, int length) {
    int low = 0, high = ENTITIES;
    while (low < high) {
        int middle = (low + high) / 2, order = compare_entity(name, length, middle);
        if (!order) return middle;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return -1;
}

static int hexadecimal(uint32_t point) {
    if (point >= '0' && point <= '9') return (int)point - '0';
    if (point >= 'a' && point <= 'f') return (int)point - 'a' + 10;
    if (point >= 'A' && point <= 'F') return (int)point - 'A' + 10;
    return -1;
}

/* What a numeric reference stands for; -1 for nothing. */
static int64_t referenced(int64_t number) {
    for (int i = 0; i < REPLACED_REFERENCES; i++)
        if (replaced_references[i][0] == number) return replaced_references[i][1];
    if (number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF)) return 0xFFFD;
    int noncharacter = (number >= 0xFDD0 && number <= 0xFDEF) || (number & 0xFFFE) == 0xFFFE;
    int control = (number >= 1 && number <= 8) || (number >= 0xE && number <= 0x1F) ||
                  (number >= 0x7F && number <= 0x9F) || number == 0xB;
    return noncharacter || control ? -1 : number;
}

/* Resolve "&#..." at `at`; returns where it ends, or `at` where it is none. */
static int64_t numeric_reference(const rk_points *text, int64_t at, uint32_t *out, int64_t *count) {
    int64_t here = at + 2, number = 0;
    int base = 10;
    if (here < text->length && (text->data[here] | 32) == 'x') {
        base = 16;
        here++;
    }
    int64_t first = here;
    for (; here < text->length; here++) {
        int digit = hexadecimal(text->data[here]);
        if (digit < 0 || digit >= base) break;
        if (number <= 0x10FFFF) number = number * base + digit;
    }
    if (here == first) return at;
    if (here < text->length && text->data[here] == ';') here++;
    int64_t point = referenced(number);
    if (point >= 0) out[(*count)++] = (uint32_t)point;
    return here;
}

static int ends_name(uint32_t point) {
    return point == '\t' || point == '\n' || point == '\f' || point == ' ' || point == '<' ||
           point == '&' || point == '#' || point == ';';
}

/* Resolve "&name;" or the longest known name at its start (as browsers and Python do). */
static int64_t named_reference(const rk_points *text, int64_t at, uint32_t *out, int64_t *count) {
    char name[40];
    int64_t here = at + 1;
    int length = 0, ascii = 1;
    for (; here < text->length && here - at <= 32 && !ends_name(text->data[here]); here++) {
        ascii = ascii && text->data[here] < 0x80;
        if (ascii) name[length++] = (char)text->data[here];
    }
    if (here == at + 1) return at;
    if (here < text->length && text->data[here] == ';') {
        here++;
        if (ascii) name[length++] = ';';
    }
    for (int tried = length; tried > 1; tried--) {
        int entity = find_entity(name, tried);
        if (entity < 0) continue;
        for (int i = 0; i < 2; i++)
            if (entity_points[entity][i]) out[(*count)++] = entity_points[entity][i];
        return at + 1 + tried;
    }
    return at;
}

static int resolve_entities(rk_room *room) {
    rk_points *text = &room->from;
    /* No reference is longer than what it is written as: at least three characters for two. */
    if (rk_points_reserve(&room->to, text->length + 2)) return RK_NO_MEMORY;
    uint32_t *out = room->to.data;
    int64_t count = 0;
    for (int64_t at = 0; at < text->length;) {
        if (text->data[at] != '&' || at + 1 >= text->length) {
            out[count++] = text->data[at++];
            continue;
        }
        int64_t after = text->data[at + 1] == '#' ? numeric_reference(text, at, out, &count)
                                                  : named_reference(text, at, out, &count);
        if (after == at) out[count++] = text->data[at++];
        else at = after;
    }
    room->to.length = count;
    swap_room(room);
    return RK_OK;
}

/* ---------------------------------------------------------------- tags, numbers, white space */

/* Where the tag that opens at `at` ends (past its ">"), or 0 where none does.
 * A "<" ends the search, so a text is looked at once however many it holds. */
static int64_t tag_end(const uint32_t *text, int64_t length, int64_t at) {
    int64_t here = at + 1;
    if (here < length && text[here] == '/') here++;
    if (here >= length || !(text[here] == '!' || ((text[here] | 32) >= 'a' && (text[here] | 32) <= 'z')))
        return 0;
    for (here++; here < length && text[here] != '<'; here++)
        if (text[here] == '>') return here + 1;
    return 0;
}

static void remove_tags(rk_points *text) {
    int64_t count = 0;
    for (int64_t at = 0; at < text->length;) {
        int64_t end = text->data[at] == '<' ? tag_end(text->data, text->length, at) : 0;
        text->data[count++] = end ? ' ' : text->data[at];
        at = end ? end : at + 1;
    }
    text->length = count;
}

static void fold_space(rk_points *text) {
    int64_t count = 0;
    for (int64_t at = 0; at < text->length; at++) {
        uint32_t point = text->data[at];
        if (!is(point, RK_SPACE)) text->data[count++] = point;
        else if (count && text->data[count - 1] != ' ') text->data[count++] = ' ';
    }
    if (count && text->data[count - 1] == ' ') count--;
    text->length = count;
}

static int is_unit(const uint32_t *word, int64_t length) {
    static const char *const units[] = {"mm", "cm", "dm", "m",  "km", "ml",  "cl", "l",  "mg",
                                        "g",  "kg", "go", "gb", "mo", "to",  "mah", "w", "kw",
                                        "v",  "hz", "ghz", "pcs", "po", "in"};
    if (length < 1 || length > 3) return 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        int64_t same = 0;
        while (same < length && (uint32_t)units[i][same] == word[same]) same++;
        if (same == length && !units[i][same]) return 1;
    }
    return 0;
}

/* "1,5 kg" becomes "1.5kg": decimal commas, then a number and its unit joined. */
static void join_units(rk_points *text) {
    uint32_t *data = text->data;
    int64_t count = 0, length = text->length;
    for (int64_t at = 0; at < length; at++) {
        int after_digit = at > 0 && is(data[at - 1], RK_DECIMAL);
        if (after_digit && data[at] == ',' && at + 1 < length && is(data[at + 1], RK_DECIMAL)) {
            data[count++] = '.';
            continue;
        }
        if (after_digit && data[at] == ' ') {
            int64_t end = at + 1;
            while (end < length && end - at <= 4 && is(data[end], RK_WORD)) end++;
            if (is_unit(data + at + 1, end - at - 1)) continue;
        }
        data[count++] = data[at];
    }
    text->length = count;
}

/* ---------------------------------------------------------------- one text */

static int holds(const rk_points *text, uint32_t point) {
    for (int64_t i = 0; i < text->length; i++)
        if (text->data[i] == point) return 1;
    return 0;
}

static void count_raw(const rk_points *raw, int32_t *counts) {
    int32_t upper = 0, markup = 0;
    for (int64_t i = 0; i < raw->length; i++) {
        upper += is(raw->data[i], RK_UPPER);
        if (!markup && raw->data[i] == '<') markup = tag_end(raw->data, raw->length, i) > 0;
    }
    counts[RK_RAW_LENGTH] = (int32_t)raw->length;
    counts[RK_RAW_UPPER] = upper;
    counts[RK_MARKUP] = markup;
}

static void count_clean(const rk_points *text, int32_t *counts) {
    int32_t digits = 0, words = text->length > 0;
    for (int64_t i = 0; i < text->length; i++) {
        digits += is(text->data[i], RK_DIGIT);
        words += text->data[i] == ' ';
    }
    counts[RK_LENGTH] = (int32_t)text->length;
    counts[RK_DIGITS] = digits;
    counts[RK_WORDS] = words;
}

int rk_clean_one(const uint8_t *bytes, int64_t length, rk_room *room, int32_t *counts) {
    if (length > INT32_MAX / 32) return RK_TOO_LARGE;
    if (counts) {
        if (rk_decode_one(bytes, length, room)) return RK_NO_MEMORY;
        count_raw(&room->from, counts);
    }
    if (fold(&FOLD, bytes, length, room)) return RK_NO_MEMORY;
    if (holds(&room->from, '&')) {
        for (int pass = 0; pass < 2; pass++)
            if (resolve_entities(room)) return RK_NO_MEMORY;
        if (fold(&FOLD, NULL, 0, room)) return RK_NO_MEMORY;
    }
    if (holds(&room->from, '<')) remove_tags(&room->from);
    if (fold(&LOWER, NULL, 0, room)) return RK_NO_MEMORY;
    fold_space(&room->from);
    join_units(&room->from);
    if (counts) count_clean(&room->from, counts);
    return RK_OK;
}

/* ---------------------------------------------------------------- many texts */

static int64_t encode(const rk_points *text, uint8_t *out) {
    int64_t count = 0;
    for (int64_t i = 0; i < text->length; i++) {
        uint32_t point = text->data[i];
        if (point < 0x80) {
            out[count++] = (uint8_t)point;
        } else if (point < 0x800) {
            out[count++] = (uint8_t)(0xC0 | point >> 6);
            out[count++] = (uint8_t)(0x80 | (point & 0x3F));
        } else if (point < 0x10000) {
            out[count++] = (uint8_t)(0xE0 | point >> 12);
            out[count++] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
            out[count++] = (uint8_t)(0x80 | (point & 0x3F));
        } else {
            out[count++] = (uint8_t)(0xF0 | point >> 18);
            out[count++] = (uint8_t)(0x80 | (point >> 12 & 0x3F));
            out[count++] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
            out[count++] = (uint8_t)(0x80 | (point & 0x3F));
        }
    }
    return count;
}

/* Clean `count` texts. `*cleaned` (to be freed with rk_free) holds them in UTF-8 one after
 * another, `ends` (count + 1) where each begins and ends, `counts` (count, RK_COUNTS) what is
 * known of them. */
RK_EXPORT int rk_clean(const rk_texts *texts, int64_t count, uint8_t **cleaned, int64_t *ends,
                       int32_t *counts) {
    rk_room room = {0};
    uint8_t *bytes = NULL;
    int64_t used = 0, capacity = 0;
    int status = RK_OK;
    ends[0] = 0;
    for (int64_t i = 0; i < count && !status; i++) {
        int64_t start = texts->offsets[i], length = texts->offsets[i + 1] - start;
        status = rk_clean_one(texts->bytes + start, length, &room, counts + i * RK_COUNTS);
        if (status) break;
        int64_t needed = used + 4 * room.from.length;
        if (needed > capacity) {
            capacity = 2 * needed + 4096;
            uint8_t *larger = realloc(bytes, (size_t)capacity);
            if (!larger) {
                status = RK_NO_MEMORY;
                break;
            }
            bytes = larger;
        }
        if (room.from.length) used += encode(&room.from, bytes + used);
        ends[i + 1] = used;
    }
    rk_room_free(&room);
    if (status) {
        free(bytes);
        bytes = NULL;
    }
    *cleaned = bytes;
    return status;
}

RK_EXPORT void rk_free(void *memory) { free(memory); }

RK_EXPORT int rk_abi(void) { return RK_ABI; }
