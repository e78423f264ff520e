/* Hashed n-grams of texts, as rows of a sparse matrix: counts, or weighted and normalised. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

/* One family of n-grams: `low` to `high` words, or characters within words. */
typedef struct {
    int32_t field;
    int32_t characters;
    int32_t low;
    int32_t high;
    float weight;
} rk_block;

/* Rows in compressed sparse row form. */
typedef struct {
    int64_t rows;
    int64_t entries;
    int64_t capacity;
    int64_t *ends; /* rows + 1 */
    int32_t *columns;
    float *values;
} rk_matrix;

/* What weighs the columns; without `places` raw counts of hashed columns are written. */
typedef struct {
    const int32_t *places; /* hashed column -> column, or -1 where fitting did not see it */
    const float *idf;      /* of each column */
} rk_weights;

/* Where a column stands in the row under way; an entry of another mark is an empty place. */
typedef struct {
    uint32_t mark;
    int32_t entry; /* from the first of the block on */
} rk_place;

typedef struct {
    rk_matrix *matrix;
    rk_place *places;
    uint32_t mask;
    uint32_t mark;
    int64_t first;    /* entry of the block under way */
    rk_points hashed; /* hashed columns of the block under way, repeated as they occur */
    rk_points spans;  /* where each of them stands: first code point and length, if `traced` */
    int traced;
    const int32_t *map;
    const float *idf;
    uint32_t base; /* hashed column 0 of the block */
    int shift;
} rk_writer;

#define MULTIPLIER 0x9E3779B97F4A7C15ull
#define WORD_SEED 0x2545F4914F6CDD1Dull
#define CHARACTER_SEED 0xD6E8FEB86659FD93ull

static inline uint64_t step_hash(uint64_t hash, uint64_t value) {
    return (hash ^ value) * MULTIPLIER;
}

/* The upper bits depend on all of what went in. */
static inline uint64_t mix(uint64_t hash) { return (hash ^ (hash >> 32)) * 0xD6E8FEB86659FD93ull; }

/* ---------------------------------------------------------------- rows */

static int grow_matrix(rk_matrix *matrix) {
    int64_t capacity = matrix->capacity ? 2 * matrix->capacity : 4096;
    int32_t *columns = realloc(matrix->columns, (size_t)capacity * sizeof *columns);
    if (columns) matrix->columns = columns;
    float *values = realloc(matrix->values, (size_t)capacity * sizeof *values);
    if (values) matrix->values = values;
    if (!columns || !values) return RK_NO_MEMORY;
    matrix->capacity = capacity;
    return RK_OK;
}

/* The place of `column` in the row under way, or the empty one where it belongs. */
static inline rk_place *find_place(const rk_writer *writer, int32_t column) {
    const int32_t *columns = writer->matrix->columns + writer->first;
    uint32_t at = ((uint32_t)column * 0x9E3779B1u >> 8) & writer->mask;
    while (writer->places[at].mark == writer->mark && columns[writer->places[at].entry] != column)
        at = (at + 1) & writer->mask;
    return writer->places + at;
}

/* Room to tell `count` columns apart, and to write them. */
static int reserve_row(rk_writer *writer, int64_t count) {
    while (writer->matrix->capacity - writer->matrix->entries < count)
        if (grow_matrix(writer->matrix)) return RK_NO_MEMORY;
    uint32_t size = writer->mask + 1;
    while (size < 2 * (uint64_t)count) size *= 2;
    if (size > writer->mask + 1) {
        rk_place *places = calloc(size, sizeof *places);
        if (!places) return RK_NO_MEMORY;
        free(writer->places);
        writer->places = places;
        writer->mask = size - 1;
        writer->mark = 0;
    }
    if (++writer->mark == 0) { /* after four thousand million blocks the marks begin anew */
        memset(writer->places, 0, (size_t)size * sizeof *writer->places);
        writer->mark = 1;
    }
    return RK_OK;
}

/* Note an n-gram that covers `size` code points of the text from `start` on. */
static inline void add(rk_writer *writer, uint64_t hash, int64_t start, int64_t size) {
    uint32_t column = writer->base + (uint32_t)(mix(hash) >> writer->shift);
    /* The map is larger than the caches: ask for the place now, look at it after the block. */
    if (writer->map) __builtin_prefetch(writer->map + column);
    writer->hashed.data[writer->hashed.length++] = column;
    if (writer->traced) {
        writer->spans.data[writer->spans.length++] = (uint32_t)start;
        writer->spans.data[writer->spans.length++] = (uint32_t)size;
    }
}

/* Write the columns of the block, each once with its count. */
static int finish_block(rk_writer *writer) {
    if (reserve_row(writer, writer->hashed.length)) return RK_NO_MEMORY;
    rk_matrix *matrix = writer->matrix;
    int64_t entries = writer->first = matrix->entries;
    for (int64_t i = 0; i < writer->hashed.length; i++) {
        int32_t column = (int32_t)writer->hashed.data[i];
        if (writer->map) column = writer->map[column];
        if (column < 0) continue;
        rk_place *place = find_place(writer, column);
        if (place->mark == writer->mark) {
            matrix->values[writer->first + place->entry] += 1.0f;
            continue;
        }
        *place = (rk_place){writer->mark, (int32_t)(entries - writer->first)};
        if (writer->idf) __builtin_prefetch(writer->idf + column);
        matrix->columns[entries] = column;
        matrix->values[entries++] = 1.0f;
    }
    matrix->entries = entries;
    return RK_OK;
}

/* ---------------------------------------------------------------- n-grams */

/* Runs of letters, digits and "_", and their sequences. */
static void add_words(rk_writer *writer, const rk_block *block, const rk_points *text) {
    uint64_t recent[8]; /* hashes of the last words; `high` is at most 8 */
    int64_t starts[8], words = 0, at = 0, length = text->length;
    while (at < length) {
        if (!(rk_properties(text->data[at]) & RK_WORD)) {
            at++;
            continue;
        }
        uint64_t hash = WORD_SEED;
        starts[words & 7] = at;
        for (; at < length && rk_properties(text->data[at]) & RK_WORD; at++)
            hash = step_hash(hash, text->data[at]);
        recent[words++ & 7] = mix(hash);
        uint64_t sequence = WORD_SEED;
        for (int n = 1; n <= block->high && n <= words; n++) {
            sequence = step_hash(sequence, recent[(words - n) & 7]);
            int64_t first = starts[(words - n) & 7];
            if (n >= block->low) add(writer, sequence, first, at - first);
        }
    }
}

/* Characters within words that white space ends, each word between two blanks; a word shorter
 * than `low` counts whole (scikit-learn's char_wb). */
static void add_characters(rk_writer *writer, const rk_block *block, const rk_points *text) {
    const uint32_t *data = text->data;
    int64_t at = 0, length = text->length;
    while (at < length) {
        if (rk_properties(data[at]) & RK_SPACE) {
            at++;
            continue;
        }
        int64_t start = at;
        while (at < length && !(rk_properties(data[at]) & RK_SPACE)) at++;
        int64_t size = at - start + 2;
        int low = size < block->low ? (int)size : block->low;
        for (int64_t from = 0; from + low <= size; from++) {
            uint64_t hash = CHARACTER_SEED;
            int64_t most = size - from < block->high ? size - from : block->high;
            for (int n = 1; n <= most; n++) {
                int64_t place = from + n - 1;
                int blank = place == 0 || place == size - 1;
                hash = step_hash(hash, blank ? ' ' : data[start + place - 1]);
                if (n >= low) add(writer, hash, start + from - 1, n);
            }
        }
    }
}

/* ---------------------------------------------------------------- weights */

/* Entries from `first` on: 1 + log(count), times idf, to length `weight`. */
static void weigh_block(rk_matrix *matrix, int64_t first, const float *idf, float weight) {
    double squares = 0;
    for (int64_t i = first; i < matrix->entries; i++) {
        float count = matrix->values[i];
        float value = (count > 1.0f ? 1.0f + logf(count) : 1.0f) * idf[matrix->columns[i]];
        matrix->values[i] = value;
        squares += (double)value * value;
    }
    float scale = squares > 0 ? (float)(weight / sqrt(squares)) : 0.0f;
    for (int64_t i = first; i < matrix->entries; i++) matrix->values[i] *= scale;
}

/* From raw counts to weights in place; entries of columns that `weights` does not know go. */
RK_EXPORT void rk_weigh(rk_matrix *matrix, const rk_block *blocks, int32_t bits,
                        const rk_weights *weights) {
    int64_t from = 0;
    matrix->entries = 0;
    for (int64_t row = 0; row < matrix->rows; row++) {
        int64_t row_end = matrix->ends[row + 1];
        while (from < row_end) {
            int32_t block = matrix->columns[from] >> bits;
            int64_t first = matrix->entries;
            for (; from < row_end && matrix->columns[from] >> bits == block; from++) {
                int32_t column = weights->places[matrix->columns[from]];
                if (column < 0) continue;
                matrix->columns[matrix->entries] = column;
                matrix->values[matrix->entries++] = matrix->values[from];
            }
            weigh_block(matrix, first, weights->idf, blocks[block].weight);
        }
        matrix->ends[row + 1] = matrix->entries;
    }
}

/* Count in how many rows each column occurs, on top of what `frequency` holds. */
RK_EXPORT void rk_frequencies(const rk_matrix *matrix, int32_t *frequency) {
    for (int64_t i = 0; i < matrix->entries; i++) frequency[matrix->columns[i]]++;
}

/* ---------------------------------------------------------------- documents */

RK_EXPORT void rk_matrix_free(rk_matrix *matrix) {
    free(matrix->ends);
    free(matrix->columns);
    free(matrix->values);
    memset(matrix, 0, sizeof *matrix);
}

/* Most n-grams that a text of `length` code points can have. */
static int64_t most_ngrams(const rk_block *block, int64_t length) {
    return (int64_t)(block->high - block->low + 1) * (length + 2) * (block->characters ? 2 : 1);
}

/* Collect the hashed n-grams of block `number` in `text`. */
static int add_block(rk_writer *writer, const rk_block *block, int32_t number, int32_t bits,
                     const rk_points *text) {
    int64_t most = most_ngrams(block, text->length);
    if (rk_points_reserve(&writer->hashed, most)) return RK_NO_MEMORY;
    if (writer->traced && rk_points_reserve(&writer->spans, 2 * most)) return RK_NO_MEMORY;
    writer->hashed.length = writer->spans.length = 0;
    writer->base = (uint32_t)number << bits;
    writer->shift = 64 - bits;
    if (block->characters) add_characters(writer, block, text);
    else add_words(writer, block, text);
    return RK_OK;
}

static int add_document(rk_writer *writer, const rk_room *fields, const rk_block *blocks,
                        int32_t count, int32_t bits, const rk_weights *weights) {
    for (int32_t number = 0; number < count; number++) {
        const rk_block *block = blocks + number;
        if (add_block(writer, block, number, bits, &fields[block->field].from) ||
            finish_block(writer))
            return RK_NO_MEMORY;
        if (weights) weigh_block(writer->matrix, writer->first, weights->idf, block->weight);
    }
    return RK_OK;
}

/* The rows of `documents` documents of `fields` texts each, cleaned first where `clean` says so.
 * `matrix` is to be freed with rk_matrix_free. */
RK_EXPORT int rk_vectorise(const rk_texts *texts, int32_t fields, int64_t documents, int32_t clean,
                           const rk_block *blocks, int32_t count, int32_t bits,
                           const rk_weights *weights, rk_matrix *matrix) {
    rk_writer writer = {.matrix = matrix,
                        .map = weights ? weights->places : NULL,
                        .idf = weights ? weights->idf : NULL};
    rk_room *rooms = calloc((size_t)fields, sizeof *rooms);
    memset(matrix, 0, sizeof *matrix);
    matrix->ends = calloc((size_t)documents + 1, sizeof *matrix->ends);
    writer.places = calloc(1024, sizeof *writer.places);
    writer.mask = 1023;
    int status = rooms && matrix->ends && writer.places ? RK_OK : RK_NO_MEMORY;
    for (int64_t row = 0; row < documents && !status; row++) {
        for (int32_t field = 0; field < fields && !status; field++) {
            const uint8_t *bytes = texts[field].bytes + texts[field].offsets[row];
            int64_t length = texts[field].offsets[row + 1] - texts[field].offsets[row];
            status = clean ? rk_clean_one(bytes, length, rooms + field, NULL)
                           : rk_decode_one(bytes, length, rooms + field);
        }
        if (!status) status = add_document(&writer, rooms, blocks, count, bits, weights);
        matrix->ends[row + 1] = matrix->entries;
    }
    matrix->rows = documents;
    for (int32_t field = 0; rooms && field < fields; field++) rk_room_free(rooms + field);
    free(rooms);
    free(writer.places);
    rk_points_free(&writer.hashed);
    if (status) rk_matrix_free(matrix);
    return status;
}

/* The n-grams of block `number` in one text in normal form, as they occur: their hashed columns,
 * and where they stand (first code point, -1 for the blank before the text, and length), two
 * numbers each. `*columns` and `*spans` are to be freed with rk_free. */
RK_EXPORT int rk_trace(const uint8_t *bytes, int64_t length, const rk_block *block, int32_t number,
                       int32_t bits, uint32_t **columns, int32_t **spans, int64_t *count) {
    rk_writer writer = {.traced = 1};
    rk_room room = {0};
    int status = rk_decode_one(bytes, length, &room);
    if (!status) status = add_block(&writer, block, number, bits, &room.from);
    rk_room_free(&room);
    if (status) {
        rk_points_free(&writer.hashed);
        rk_points_free(&writer.spans);
    }
    *count = writer.hashed.length;
    *columns = writer.hashed.data;
    *spans = (int32_t *)writer.spans.data;
    return status;
}
