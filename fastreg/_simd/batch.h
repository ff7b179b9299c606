/* Batches, for one element type T (kernels.c includes this twice): rows of X gathered and cast, dense or sparse, and the
 * product with sparse rows. */

/* Rows (NULL: 0, 1, ...) of an array of doubles or floats. */
static void NAME(gather)(ptrdiff_t m, ptrdiff_t n, const void *x, ptrdiff_t ldx, int bytes, const ptrdiff_t *rows,
                         void *out, ptrdiff_t ldo)
{
    for (ptrdiff_t i = 0; i < m; i++) {
        const ptrdiff_t from = (rows ? rows[i] : i) * ldx;
        T *o = (T *)out + i * ldo;
#if defined(__GNUC__) || defined(__clang__)
        if (rows && i + 4 < m)                          /* rows lie anywhere: those to come are on their way meanwhile */
            for (ptrdiff_t at = 0; at < n * bytes; at += 64)
                __builtin_prefetch((const char *)x + rows[i + 4] * ldx * bytes + at);
#endif
        if (bytes == sizeof(T) && n < 64)               /* not worth a call */
            for (ptrdiff_t j = 0; j < n; j++)
                o[j] = ((const T *)x)[from + j];
        else if (bytes == sizeof(T))
            memcpy(o, (const T *)x + from, n * sizeof(T));
        else if (bytes == sizeof(double))
            for (ptrdiff_t j = 0; j < n; j++)
                o[j] = (T)((const double *)x)[from + j];
        else
            for (ptrdiff_t j = 0; j < n; j++)
                o[j] = (T)((const float *)x)[from + j];
    }
}

/* Rows of an array of any numbers and strides (in bytes). */
static void NAME(gather_any)(ptrdiff_t m, ptrdiff_t n, const void *x, ptrdiff_t row, ptrdiff_t column, int kind,
                             const ptrdiff_t *rows, void *out, ptrdiff_t ldo)
{
    const char *const from = x;
#define FROM(k, type)                                                                                               \
    case k:                                                                                                         \
        for (ptrdiff_t i = 0; i < m; i++)                                                                           \
            for (ptrdiff_t j = 0; j < n; j++) {                                                                     \
                type value;                                                                                         \
                memcpy(&value, from + (rows ? rows[i] : i) * row + j * column, sizeof value);                       \
                ((T *)out)[i * ldo + j] = (T)value;                                                                 \
            }                                                                                                       \
        break;
    switch (kind) {
        FROM(FR_FLOAT, float)
        FROM(FR_DOUBLE, double)
        FROM(FR_INT8, int8_t)
        FROM(FR_INT16, int16_t)
        FROM(FR_INT32, int32_t)
        FROM(FR_INT64, int64_t)
        FROM(FR_UINT8, uint8_t)
        FROM(FR_UINT16, uint16_t)
        FROM(FR_UINT32, uint32_t)
        FROM(FR_UINT64, uint64_t)
    }
#undef FROM
}

/* Rows of a CSR matrix. */
static void NAME(gather_sparse)(ptrdiff_t m, const fr_csr *x, const ptrdiff_t *rows, fr_rows *out)
{
    T *value = out->value;
    ptrdiff_t at = 0;
    for (ptrdiff_t i = 0; i < m; i++) {
        const ptrdiff_t row = rows ? rows[i] : i;
        ptrdiff_t from, to;
        if (x->index_bytes == 4)
            from = ((const int32_t *)x->start)[row], to = ((const int32_t *)x->start)[row + 1];
        else
            from = (ptrdiff_t)((const int64_t *)x->start)[row], to = (ptrdiff_t)((const int64_t *)x->start)[row + 1];
        out->start[i] = at;
        for (ptrdiff_t k = from; k < to; k++, at++) {
            out->index[at] = x->index_bytes == 4 ? ((const int32_t *)x->index)[k]
                                                 : (int32_t)((const int64_t *)x->index)[k];
            value[at] = x->bytes == 4 ? (T)((const float *)x->value)[k] : (T)((const double *)x->value)[k];
        }
    }
    out->start[m] = at;
}

/* m rows with n columns into n rows with m columns: a counting sort, so rows stay in order within a column. */
static void NAME(transpose_sparse)(ptrdiff_t m, ptrdiff_t n, const fr_rows *x, fr_rows *out)
{
    const T *value = x->value;
    T *to = out->value;
    memset(out->start, 0, (n + 1) * sizeof(ptrdiff_t));
    for (ptrdiff_t k = 0; k < x->start[m]; k++)
        out->start[x->index[k] + 1]++;
    for (ptrdiff_t j = 0; j < n; j++)
        out->start[j + 1] += out->start[j];
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t k = x->start[i]; k < x->start[i + 1]; k++) {
            const ptrdiff_t at = out->start[x->index[k]]++;
            out->index[at] = (int32_t)i;
            to[at] = value[k];
        }
    for (ptrdiff_t j = n; j > 0; j--)                   /* each start has moved on to the next */
        out->start[j] = out->start[j - 1];
    out->start[0] = 0;
}

/* Rows i0..i1 of C = S B, a row of S at a time: up to 8 vectors of C stay in registers. */
static void NAME(sparse_product)(const fr_product *p, const fr_rows *s, ptrdiff_t i0, ptrdiff_t i1)
{
    const T *b = p->b, *value = s->value;
    if (p->n == 1) {
        fr_product row = *p;
        row.bias = NULL;
        for (ptrdiff_t at = i0; at < i1; at += LANES) {
            const ptrdiff_t count = i1 - at < LANES ? i1 - at : LANES;
            T out[LANES] = {0};
            for (ptrdiff_t i = 0; i < count; i++) {
                out[i] = p->bias ? *(const T *)p->bias : 0;
                for (ptrdiff_t k = s->start[at + i]; k < s->start[at + i + 1]; k++)
                    out[i] += value[k] * b[s->index[k] * p->ldb];
            }
            row.finish(&row, 0, at, 1, LANES, out);
        }
        return;
    }
    for (ptrdiff_t i = i0; i < i1; i++)
        for (ptrdiff_t j = 0; j < p->n; j += 8 * LANES) {
            const ptrdiff_t cols = p->n - j < 8 * LANES ? p->n - j : 8 * LANES;
            ALIGNED T out[8 * LANES];
            if (cols == 8 * LANES) {
                V c[8];
                for (int q = 0; q < 8; q++)
                    c[q] = NAME(all)(0);
                for (ptrdiff_t k = s->start[i]; k < s->start[i + 1]; k++) {
                    const T *row = b + s->index[k] * p->ldb + j;
                    const V x = NAME(all)(value[k]);
#pragma GCC unroll 8
                    for (int q = 0; q < 8; q++)
                        c[q] += x * NAME(get)(row + q * LANES);
                }
                for (int q = 0; q < 8; q++)
                    NAME(put)(out + q * LANES, c[q]);
            } else {
                memset(out, 0, sizeof out);
                for (ptrdiff_t k = s->start[i]; k < s->start[i + 1]; k++) {
                    const T *row = b + s->index[k] * p->ldb + j;
                    const V x = NAME(all)(value[k]);
                    for (ptrdiff_t q = 0; q < cols; q += LANES)
                        NAME(put)(out + q, NAME(get)(out + q) + x * NAME(get)(row + q));
                }
            }
            p->finish(p, i, j, 1, cols, out);
        }
}
