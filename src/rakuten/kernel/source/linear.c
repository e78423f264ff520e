/* Linear classifiers, one a class, for sparse rows: training by dual coordinate descent, scoring.
 *
 * The problem of each class is liblinear's L2-regularised, L2-loss support vector machine with a
 * regularised intercept (Hsieh et al., 2008), solved for LANES classes at once: what costs is
 * fetching a column's weights from memory, and one fetch serves all of them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

#define LANES 16

typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4 * LANES)));

/* Sparse rows; `order` chooses those to train on. */
typedef struct {
    const int64_t *ends; /* rows + 1 */
    const int32_t *columns;
    const float *values;
} rk_rows;

typedef struct {
    float cost;
    float tolerance;
    int32_t most_passes;
    uint64_t seed;
} rk_training;

/* xorshift64* (Vigna, 2016). */
static uint64_t draw(uint64_t *state) {
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545F4914F6CDD1Dull;
}

static void shuffle(int64_t *order, int64_t count, uint64_t *state) {
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t other = (int64_t)(draw(state) % (uint64_t)(i + 1));
        int64_t kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

static lanes dot(const rk_rows *rows, int64_t row, const lanes *weights) {
    lanes sum = {0}, other = {0};
    int64_t at = rows->ends[row], end = rows->ends[row + 1];
    for (; at + 1 < end; at += 2) {
        if (at + 8 < end) __builtin_prefetch(weights + rows->columns[at + 8]);
        if (at + 9 < end) __builtin_prefetch(weights + rows->columns[at + 9]);
        sum += rows->values[at] * weights[rows->columns[at]];
        other += rows->values[at + 1] * weights[rows->columns[at + 1]];
    }
    if (at < end) sum += rows->values[at] * weights[rows->columns[at]];
    return sum + other;
}

static float squared_norm(const rk_rows *rows, int64_t row) {
    double sum = 0;
    for (int64_t at = rows->ends[row]; at < rows->ends[row + 1]; at++)
        sum += (double)rows->values[at] * rows->values[at];
    return (float)sum;
}

/* Train on rows order[0..count) of classes labels[0..count) (LANES classes from `first` on).
 *
 * `weights` holds columns + 1 vectors of LANES, zero on entry; the last is the intercept.
 * `costs` (count) scales the cost of each row, or is NULL. `passes` receives how many passes
 * over the rows it took, `violation` what was left of the largest projected gradient. */
RK_EXPORT int rk_fit(const rk_rows *rows, const int64_t *chosen, const int32_t *labels,
                     const float *costs, int64_t count, int64_t columns, int32_t first,
                     const rk_training *training, float *weights, int32_t *passes,
                     float *violation) {
    lanes *w = (lanes *)weights, *intercept = w + columns;
    lanes *alphas = aligned_alloc(sizeof(lanes), (size_t)(count ? count : 1) * sizeof(lanes));
    int64_t *order = malloc((size_t)(count ? count : 1) * sizeof *order);
    float *diagonal = malloc((size_t)(count ? count : 1) * sizeof *diagonal);
    int status = alphas && order && diagonal ? RK_OK : RK_NO_MEMORY;
    uint64_t state = training->seed * 0x9E3779B97F4A7C15ull | 1;
    for (int64_t i = 0; i < count && !status; i++) {
        order[i] = i;
        alphas[i] = (lanes){0};
        diagonal[i] = squared_norm(rows, chosen[i]) + 1.0f;
    }
    int64_t active = count;
    float bound = INFINITY; /* rows of which every class is this sure are left out for a while */
    *passes = 0;
    *violation = 0;
    while (!status && *passes < training->most_passes) {
        float largest = 0;
        shuffle(order, active, &state);
        for (int64_t i = 0; i < active; i++) {
            int64_t at = order[i];
            float ridge = 0.5f / (training->cost * (costs ? costs[at] : 1.0f));
            float curvature = diagonal[at] + ridge;
            lanes margin = dot(rows, chosen[at], w) + *intercept, change, alpha = alphas[at];
            int changed = 0, idle = 1;
            int32_t own = labels[at] - first;
            for (int k = 0; k < LANES; k++) {
                float sign = k == own ? 1.0f : -1.0f;
                float gradient = sign * margin[k] - 1.0f + alpha[k] * ridge;
                float projected = alpha[k] > 0 || gradient < 0 ? gradient : 0.0f;
                float magnitude = fabsf(projected);
                if (alpha[k] > 0 || gradient <= bound) idle = 0;
                if (magnitude > largest) largest = magnitude;
                change[k] = 0;
                if (magnitude > 1e-9f) {
                    float moved = alpha[k] - gradient / curvature;
                    if (moved < 0) moved = 0;
                    change[k] = sign * (moved - alpha[k]);
                    alpha[k] = moved;
                    changed |= change[k] != 0;
                }
            }
            if (idle) { /* swap it out of the active rows */
                order[i] = order[--active];
                order[active] = at;
                i--;
                continue;
            }
            if (!changed) continue;
            alphas[at] = alpha;
            for (int64_t j = rows->ends[chosen[at]]; j < rows->ends[chosen[at] + 1]; j++)
                w[rows->columns[j]] += rows->values[j] * change;
            *intercept += change;
        }
        ++*passes;
        *violation = largest;
        if (largest <= training->tolerance) {
            if (active == count) break;
            active = count; /* converged on the active rows: look at all of them once more */
            bound = INFINITY;
        } else {
            bound = largest;
        }
    }
    free(alphas);
    free(order);
    free(diagonal);
    return status;
}

/* Scores (rows, classes) of rows under weights in 8 bits: column j, class k is
 * scales[j] * levels[j * classes + k]; `classes` is a multiple of LANES. */
RK_EXPORT void rk_scores(const rk_rows *rows, int64_t count, const int8_t *levels,
                         const float *scales, const float *intercepts, int32_t classes,
                         float *scores) {
    for (int64_t row = 0; row < count; row++) {
        for (int32_t from = 0; from < classes; from += LANES) {
            float sum[LANES];
            memcpy(sum, intercepts + from, sizeof sum);
            for (int64_t at = rows->ends[row]; at < rows->ends[row + 1]; at++) {
                const int8_t *level = levels + (int64_t)rows->columns[at] * classes + from;
                float value = rows->values[at] * scales[rows->columns[at]];
                for (int k = 0; k < LANES; k++) sum[k] += value * (float)level[k];
            }
            memcpy(scores + row * classes + from, sum, sizeof sum);
        }
    }
}

/* The finaliser of SplitMix64 (Steele et al., 2014): every bit depends on every bit. */
static inline uint64_t mix_column(uint64_t column) {
    uint64_t x = column + 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

/* Bucket of each of `count` columns, and the sign it has there; `buckets` is a power of two. */
RK_EXPORT void rk_buckets(int64_t count, int32_t buckets, int32_t *places, int8_t *signs) {
    for (int64_t column = 0; column < count; column++) {
        uint64_t mixed = mix_column((uint64_t)column);
        places[column] = (int32_t)(mixed & (uint64_t)(buckets - 1));
        signs[column] = mixed >> 63 ? -1 : 1;
    }
}

/* Rows with columns folded into signed buckets, times `weights` (buckets, width); the sums, in
 * double precision, go to `projected` (rows, width). */
RK_EXPORT void rk_project(const rk_rows *rows, int64_t count, int32_t buckets,
                          const float *weights, int32_t width, double *projected) {
    for (int64_t row = 0; row < count; row++) {
        double *sum = projected + row * width;
        for (int32_t k = 0; k < width; k++) sum[k] = 0.0;
        for (int64_t at = rows->ends[row]; at < rows->ends[row + 1]; at++) {
            uint64_t mixed = mix_column((uint64_t)rows->columns[at]);
            const float *weight = weights + (int64_t)(mixed & (uint64_t)(buckets - 1)) * width;
            double value = mixed >> 63 ? -(double)rows->values[at] : (double)rows->values[at];
            for (int32_t k = 0; k < width; k++) sum[k] += value * (double)weight[k];
        }
    }
}
