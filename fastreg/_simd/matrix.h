/* Matrix products of networks, for one element type T (kernels.c includes this twice): the three products of a layer,
 * what follows each done while its tile is hot.
 *
 * A tile is ROWS rows by up to STRIP vectors of C, held in registers while the summed index runs (Goto and van de
 * Geijn, 2008). Vectors lie along the rows of B; A is only ever broadcast, so its strides are free and it's never
 * copied. Strips of B are copied where they don't stay in the first-level cache by themselves, or where B is
 * transposed. The summed index is never split between threads or tiles: each element of C is one chain of fused
 * multiply-adds, the same whatever tile or thread computes it. */

enum { NAME(width) = LANES };

/* Of two vectors' first (last) halves, one element each in turn. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define COUNT (VBYTES / (WIDE ? 8 : 4))
#if COUNT == 2
#define ZIP_LOW 0, 2
#define ZIP_HIGH 1, 3
#elif COUNT == 4
#define ZIP_LOW 0, 4, 1, 5
#define ZIP_HIGH 2, 6, 3, 7
#elif COUNT == 8
#define ZIP_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#elif COUNT == 16
#define ZIP_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#endif
#undef COUNT
#endif
#endif

/* R x C vectors of C; R and C are constants where this is inlined. */
INLINE void NAME(tile_of)(const int R, const int C, ptrdiff_t k, const T *a, ptrdiff_t ai, ptrdiff_t ak, const T *b,
                          ptrdiff_t bk, T *out)
{
    V c[8][3];
#pragma GCC unroll 8
    for (int i = 0; i < R; i++)
#pragma GCC unroll 3
        for (int j = 0; j < C; j++)
            c[i][j] = NAME(all)(0);
    for (ptrdiff_t l = 0; l < k; l++) {
        V bl[3];
#pragma GCC unroll 3
        for (int j = 0; j < C; j++)
            bl[j] = NAME(get)(b + j * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < R; i++) {
            const V ail = NAME(all)(a[i * ai]);
#pragma GCC unroll 3
            for (int j = 0; j < C; j++)
                c[i][j] += ail * bl[j];
        }
        a += ak;
        b += bk;
    }
#pragma GCC unroll 8
    for (int i = 0; i < R; i++)
#pragma GCC unroll 3
        for (int j = 0; j < C; j++)
            NAME(put)(out + (i * C + j) * LANES, c[i][j]);
}

#define TILE(R, C)                                                                                                  \
    static void NAME(CAT(CAT(tile, R), C))(ptrdiff_t k, const T *a, ptrdiff_t ai, ptrdiff_t ak, const T *b,         \
                                           ptrdiff_t bk, T *out)                                                   \
    {                                                                                                               \
        NAME(tile_of)(R, C, k, a, ai, ak, b, bk, out);                                                              \
    }
#define TILES(R) TILE(R, 1) TILE(R, 2) TILE(R, 3)
TILES(1) TILES(2) TILES(4)
#if ROWS == 8
TILES(8)
#endif
#undef TILE
#undef TILES

static ptrdiff_t NAME(strips)(ptrdiff_t n)
{
    return (n + STRIP * LANES - 1) / (STRIP * LANES);
}

/* A square of LANES vectors: rows become columns. Each pass interleaves the first half of the rows with the second. */
INLINE void NAME(transpose)(V *rows)
{
#ifdef ZIP_LOW
    V other[LANES];
#pragma GCC unroll 4
    for (ptrdiff_t pass = 1; pass < LANES; pass *= 2) {
#pragma GCC unroll 8
        for (ptrdiff_t i = 0; i < LANES / 2; i++) {
            other[2 * i] = __builtin_shufflevector(rows[i], rows[i + LANES / 2], ZIP_LOW);
            other[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + LANES / 2], ZIP_HIGH);
        }
#pragma GCC unroll 16
        for (ptrdiff_t i = 0; i < LANES; i++)
            rows[i] = other[i];
    }
#else
    for (ptrdiff_t i = 0; i < LANES; i++)
        for (ptrdiff_t j = 0; j < i; j++) {
            const T kept = LANE(rows[i], j);
            LANE(rows[i], j) = LANE(rows[j], i);
            LANE(rows[j], i) = kept;
        }
#endif
}

/* B's strip of `vectors` vectors from column j0 on, row after row. */
static void NAME(pack_strip)(const fr_product *p, ptrdiff_t j0, int vectors, T *out)
{
    const ptrdiff_t cols = vectors * LANES;
    const T *b = (const T *)p->b;
    if (!p->transposed) {
        for (ptrdiff_t l = 0; l < p->k; l++)
            for (int j = 0; j < vectors; j++)
                NAME(put)(out + l * cols + j * LANES, NAME(get)(b + l * p->ldb + j0 + j * LANES));
        return;
    }
    for (int j = 0; j < vectors; j++) {
        const ptrdiff_t first = j0 + j * LANES, there = p->nb - first < LANES ? p->nb - first : LANES;
        for (ptrdiff_t l = 0; l < p->k; l += LANES) {
            V rows[LANES];
            for (ptrdiff_t i = 0; i < LANES; i++)
                rows[i] = i < there ? NAME(get)(b + (first + i) * p->ldb + l) : NAME(all)(0);
            NAME(transpose)(rows);
            for (ptrdiff_t i = 0; i < LANES && l + i < p->k; i++)
                NAME(put)(out + (l + i) * cols + j * LANES, rows[i]);
        }
    }
}

/* C has one column: dot products, as a row of C from element i0 on. */
static void NAME(one_column)(const fr_product *p, ptrdiff_t i0, ptrdiff_t i1)
{
    const ptrdiff_t bk = p->transposed ? 1 : p->ldb, block = 4 * LANES;
    const T *b = p->b, bias = p->bias ? *(const T *)p->bias : 0;
    fr_product row = *p;
    row.bias = NULL;
    for (ptrdiff_t at = i0; at < i1; at += block) {
        const ptrdiff_t count = i1 - at < block ? i1 - at : block;
        T out[4 * LANES] = {0};
        for (ptrdiff_t i = 0; i < count; i++) {
            const T *a = (const T *)p->a + (at + i) * p->ai;
            V s = NAME(all)(0), t = s;
            ptrdiff_t l = 0;
            if (p->ak == 1 && bk == 1) {
                for (; l + 2 * LANES <= p->k; l += 2 * LANES) {
                    s += NAME(get)(a + l) * NAME(get)(b + l);
                    t += NAME(get)(a + l + LANES) * NAME(get)(b + l + LANES);
                }
                for (; l + LANES <= p->k; l += LANES)
                    s += NAME(get)(a + l) * NAME(get)(b + l);
            }
            T sum = NAME(total)(s + t);
            for (; l < p->k; l++)
                sum += a[l * p->ak] * b[l * bk];
            out[i] = sum + bias;
        }
        row.finish(&row, 0, at, 1, (count + LANES - 1) / LANES * LANES, out);
    }
}

static void NAME(fetch)(const fr_update *u, ptrdiff_t at, ptrdiff_t rows, ptrdiff_t cols)
{
#if defined(__GNUC__) || defined(__clang__)
    for (ptrdiff_t r = 0; r < rows; r++, at += u->ld)
        for (ptrdiff_t q = at; q < at + cols; q += 64 / (ptrdiff_t)sizeof(T)) {
            __builtin_prefetch((T *)u->w + q, 1);
            if (u->m)
                __builtin_prefetch((T *)u->m + q, 1);
            if (u->v)
                __builtin_prefetch((T *)u->v + q, 1);
        }
#else
    (void)u, (void)at, (void)rows, (void)cols;
#endif
}

typedef void (*NAME(tile_t))(ptrdiff_t, const T *, ptrdiff_t, ptrdiff_t, const T *, ptrdiff_t, T *);

static void NAME(product)(const fr_product *p, ptrdiff_t i0, ptrdiff_t i1, ptrdiff_t s, void *scratch)
{
    static const NAME(tile_t) tiles[4][3] = {
        {NAME(tile11), NAME(tile12), NAME(tile13)},
        {NAME(tile21), NAME(tile22), NAME(tile23)},
        {NAME(tile41), NAME(tile42), NAME(tile43)},
#if ROWS == 8
        {NAME(tile81), NAME(tile82), NAME(tile83)},
#endif
    };
    if (p->n == 1) {
        NAME(one_column)(p, i0, i1);
        return;
    }
    const ptrdiff_t n = p->n / LANES;                      /* in vectors, as even strips as can be */
    const ptrdiff_t count = NAME(strips)(p->n), v0 = s * n / count;
    const int vectors = (int)((s + 1) * n / count - v0);
    const ptrdiff_t j0 = v0 * LANES, cols = vectors * LANES;
    const T *b = (const T *)p->b + j0, *a = (const T *)p->a;
    ptrdiff_t bk = p->ldb;
    if (p->packed || p->transposed) {
        NAME(pack_strip)(p, j0, vectors, scratch);
        b = scratch;
        bk = cols;
    }
    ALIGNED T out[8 * 3 * LANES];
    int size = ROWS == 8 ? 3 : 2;
    for (ptrdiff_t i = i0; i < i1; i += (ptrdiff_t)1 << size) {
        while (((ptrdiff_t)1 << size) > i1 - i)
            size--;
        if (p->update && p->k >= 128)                   /* what the step will need, long before it does */
            NAME(fetch)(p->update, i * p->update->ld + j0, (ptrdiff_t)1 << size, cols);
        tiles[size][vectors - 1](p->k, a + i * p->ai, p->ai, p->ak, b, bk, out);
        p->finish(p, i, j0, (ptrdiff_t)1 << size, cols, out);
    }
}

/* What becomes of a tile. */

#define FINISH(name, body)                                                                                          \
    static void NAME(name)(const fr_product *p, ptrdiff_t i, ptrdiff_t j, ptrdiff_t rows, ptrdiff_t cols,           \
                           const void *tile)                                                                        \
    {                                                                                                               \
        const T *t = tile;                                                                                          \
        const ptrdiff_t at = i * p->ldc + j;                                                                        \
        T *c = (T *)p->c + at;                                                                                      \
        for (ptrdiff_t r = 0; r < rows; r++, c += p->ldc, t += cols)                                                \
            for (ptrdiff_t q = 0; q < cols; q += LANES)                                                                \
                NAME(put)(c + q, body);                                                                             \
    }

FINISH(store, NAME(get)(t + q))
FINISH(through_slope, NAME(get)(c + q) * NAME(get)(t + q))
#undef FINISH

static void NAME(forward)(const fr_product *p, ptrdiff_t i, ptrdiff_t j, ptrdiff_t rows, ptrdiff_t cols,
                          const void *tile)
{
    const T *t = tile;
    const ptrdiff_t at = i * p->ldc + j;
    T *c = (T *)p->c + at, *slope = p->slope ? (T *)p->slope + at : NULL;
    const V floor = NAME(all)((T)p->floor);
    for (ptrdiff_t r = 0; r < rows; r++, t += cols)
        for (ptrdiff_t q = 0; q < cols; q += LANES) {
            V z = NAME(get)(t + q);
            if (p->bias)
                z += NAME(get)((const T *)p->bias + j + q);
            NAME(put)(c + r * p->ldc + q, NAME(vmax)(z, floor));
        }
    if (p->activate)
        p->activate(rows, cols, p->ldc, c, slope);
    if (p->drop)
        NAME(dropout)(p->drop, at, rows, cols, p->ldc, c, slope);
}

static void NAME(through_relu)(const fr_product *p, ptrdiff_t i, ptrdiff_t j, ptrdiff_t rows, ptrdiff_t cols,
                               const void *tile)
{
    const T *t = tile, *outputs = (const T *)p->outputs + i * p->ldc + j;
    T *c = (T *)p->c + i * p->ldc + j;
    const V zero = NAME(all)(0);
    for (ptrdiff_t r = 0; r < rows; r++, c += p->ldc, outputs += p->ldc, t += cols)
        for (ptrdiff_t q = 0; q < cols; q += LANES)
            NAME(put)(c + q, NAME(pick)(MASK(NAME(get)(outputs + q) > zero), NAME(get)(t + q), zero));
}

static void NAME(updating)(const fr_product *p, ptrdiff_t i, ptrdiff_t j, ptrdiff_t rows, ptrdiff_t cols,
                           const void *tile)
{
    p->update->step(p->update, i * p->update->ld + j, rows, cols, tile, cols);
}

static void NAME(column_sums)(ptrdiff_t m, ptrdiff_t n, const void *dv, ptrdiff_t ld, void *outv)
{
    const T *d = dv;
    T *out = outv;
    if (n == 1) {
        T s = 0;
        for (ptrdiff_t i = 0; i < m; i++)
            s += d[i * ld];
        memset(out, 0, LANES * sizeof(T));
        out[0] = s;
        return;
    }
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        V s = NAME(all)(0), t = s;
        ptrdiff_t i = 0;
        for (; i + 2 <= m; i += 2) {
            s += NAME(get)(d + i * ld + j);
            t += NAME(get)(d + (i + 1) * ld + j);
        }
        if (i < m)
            s += NAME(get)(d + i * ld + j);
        NAME(put)(out + j, s + t);
    }
}
#undef ZIP_LOW
#undef ZIP_HIGH
