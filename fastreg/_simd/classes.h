/* Multinomial models: products with a column of X and steps along it, for all classes at once (see fr_classes). */

#define STRETCH 256     /* rows whose probabilities stay in the first-level cache between their two uses */

static void classes_move(ptrdiff_t n, ptrdiff_t K, const double *x, const double *p, const double *d, double *r)
{
    double mean[STRETCH];
    for (ptrdiff_t at = 0; at < n; at += STRETCH) {
        const ptrdiff_t rows = n - at < STRETCH ? n - at : STRETCH;
        memset(mean, 0, rows * sizeof(double));
        for (ptrdiff_t k = 0; k < K; k++)
            if (d[k] != 0)
                axpy(rows, d[k], p + k * n + at, mean);
        for (ptrdiff_t k = 0; k < K; k++) {
            const double *pk = p + k * n + at, *xk = x + at;
            double *rk = r + k * n + at;
            const vd dk = splat(d[k]);
            ptrdiff_t i = 0;
            for (; i + VD <= rows; i += VD)
                store(rk + i, load(rk + i) + load(xk + i) * load(pk + i) * (dk - load(mean + i)));
            for (; i < rows; i++)
                rk[i] += xk[i] * pk[i] * (d[k] - mean[i]);
        }
    }
}

static inline __attribute__((always_inline)) void gather_of(const int vectors, ptrdiff_t count, ptrdiff_t ld, const double *x,
                                                            const int32_t *rows, const double *r, double *out)
{
    vd sums[4];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        sums[v] = splat(0);
    for (ptrdiff_t e = 0; e < count; e++) {
        const double *row = r + rows[e] * ld;
        const vd xe = splat(x[e]);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sums[v] += xe * load(row + v * VD);
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        store(out + v * VD, sums[v]);
}

static void classes_gather(ptrdiff_t count, ptrdiff_t ld, const double *x, const int32_t *rows, const double *r, double *out)
{
    ptrdiff_t k = 0;
    for (; k + 4 * VD <= ld; k += 4 * VD)
        gather_of(4, count, ld, x, rows, r + k, out + k);
    if (ld - k == 3 * VD)
        gather_of(3, count, ld, x, rows, r + k, out + k);
    else if (ld - k == 2 * VD)
        gather_of(2, count, ld, x, rows, r + k, out + k);
    else if (ld - k == VD)
        gather_of(1, count, ld, x, rows, r + k, out + k);
}

static void classes_scatter(ptrdiff_t count, ptrdiff_t ld, const double *x, const int32_t *rows, const double *p,
                            const double *d, double *r)
{
    for (ptrdiff_t e = 0; e < count; e++) {
        const double *row = p + rows[e] * ld;
        double *to = r + rows[e] * ld;
        vd mean = splat(0);
        for (ptrdiff_t k = 0; k < ld; k += VD)
            mean += load(row + k) * load(d + k);
        mean = splat(sum(mean));
        const vd xe = splat(x[e]);
        for (ptrdiff_t k = 0; k < ld; k += VD)
            store(to + k, load(to + k) + xe * load(row + k) * (load(d + k) - mean));
    }
}
#undef STRETCH
