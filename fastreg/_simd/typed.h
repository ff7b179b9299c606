/* The primitives that read X, for one element type T, suffix NAME (kernels.c includes this once for each).
 * Means are subtracted as elements are loaded: where |mean| >> sd a later correction would cancel. */

static inline vd NAME(loadx)(const T *p)
{
#if defined(__GNUC__) || defined(__clang__)
    typedef T vt __attribute__((vector_size(VBYTES / 8 * sizeof(T))));
    vt v;
    memcpy(&v, p, sizeof v);
    if (sizeof(T) < 4) {        /* in one step compilers take lanes apart */
        typedef int32_t vi __attribute__((vector_size(VBYTES / 2)));
        return __builtin_convertvector(__builtin_convertvector(v, vi), vd);
    }
    return __builtin_convertvector(v, vd);
#else
    return (double)*p;
#endif
}

static void NAME(col_dots)(ptrdiff_t n, const void *xv, double mu, ptrdiff_t k, const double *R,
                           ptrdiff_t ldr, double *out)
{
    const T *x = xv;
    const vd vm = splat(mu);
    ptrdiff_t t = 0;
    for (; t + 4 <= k; t += 4) {
        const double *r0 = R + t * ldr, *r1 = r0 + ldr, *r2 = r1 + ldr, *r3 = r2 + ldr;
        vd a = splat(0), b = a, c = a, d = a;
        ptrdiff_t i = 0;
        for (; i + VD <= n; i += VD) {
            AHEAD(x + i);
            vd z = NAME(loadx)(x + i) - vm;
            a += z * load(r0 + i);
            b += z * load(r1 + i);
            c += z * load(r2 + i);
            d += z * load(r3 + i);
        }
        double s0 = sum(a), s1 = sum(b), s2 = sum(c), s3 = sum(d);
        for (; i < n; i++) {
            double z = x[i] - mu;
            s0 += z * r0[i];
            s1 += z * r1[i];
            s2 += z * r2[i];
            s3 += z * r3[i];
        }
        out[t] += s0;
        out[t + 1] += s1;
        out[t + 2] += s2;
        out[t + 3] += s3;
    }
    for (; t < k; t++) {
        const double *r = R + t * ldr;
        vd a = splat(0), b = a, c = a, d = a;
        ptrdiff_t i = 0;
        for (; i + 4 * VD <= n; i += 4 * VD) {
            for (int l = 0; l < 4; l++)
                AHEAD(x + i + l * VD);
            a += (NAME(loadx)(x + i) - vm) * load(r + i);
            b += (NAME(loadx)(x + i + VD) - vm) * load(r + i + VD);
            c += (NAME(loadx)(x + i + 2 * VD) - vm) * load(r + i + 2 * VD);
            d += (NAME(loadx)(x + i + 3 * VD) - vm) * load(r + i + 3 * VD);
        }
        double s = sum((a + b) + (c + d));
        for (; i < n; i++)
            s += (x[i] - mu) * r[i];
        out[t] += s;
    }
}

static void NAME(row_dots)(ptrdiff_t n, ptrdiff_t p, const void *xv, ptrdiff_t rs, const double *mu,
                           ptrdiff_t k, const double *R, ptrdiff_t ldr, double *out, ptrdiff_t ldo)
{
    for (ptrdiff_t t = 0; t < k; t++) {
        const double *r = R + t * ldr;
        double *o = out + t * ldo;
        ptrdiff_t i = 0;
        for (; i + 4 <= n; i += 4) {        /* four rows at once: o is read and written once */
            const T *x0 = (const T *)xv + i * rs, *x1 = x0 + rs, *x2 = x1 + rs, *x3 = x2 + rs;
            const vd v0 = splat(r[i]), v1 = splat(r[i + 1]), v2 = splat(r[i + 2]), v3 = splat(r[i + 3]);
            ptrdiff_t j = 0;
            for (; j + VD <= p; j += VD) {
                for (int l = 4; l < 8; l++)
                    SOON(x0 + l * rs + j);
                vd m = load(mu + j);
                vd a = (NAME(loadx)(x0 + j) - m) * v0 + (NAME(loadx)(x1 + j) - m) * v1;
                vd b = (NAME(loadx)(x2 + j) - m) * v2 + (NAME(loadx)(x3 + j) - m) * v3;
                store(o + j, load(o + j) + (a + b));
            }
            for (; j < p; j++)
                o[j] += (x0[j] - mu[j]) * r[i] + (x1[j] - mu[j]) * r[i + 1] +
                        (x2[j] - mu[j]) * r[i + 2] + (x3[j] - mu[j]) * r[i + 3];
        }
        for (; i < n; i++) {
            const T *x = (const T *)xv + i * rs;
            for (ptrdiff_t j = 0; j < p; j++)
                o[j] += (x[j] - mu[j]) * r[i];
        }
    }
}

static void NAME(col_axpy)(ptrdiff_t n, double a, double mu, const void *xv, double *y)
{
    const T *x = xv;
    const vd va = splat(a), vm = splat(mu);
    ptrdiff_t i = 0;
    for (; i + VD <= n; i += VD) {
        AHEAD(x + i);
        store(y + i, load(y + i) + va * (NAME(loadx)(x + i) - vm));
    }
    for (; i < n; i++)
        y[i] += a * (x[i] - mu);
}

static double NAME(row_dot)(ptrdiff_t p, const void *xv, const ptrdiff_t *cols, const double *mu,
                            const double *w)
{
    const T *x = xv;
    if (cols) {
        double g = 0;
        for (ptrdiff_t j = 0; j < p; j++)
            g += (x[cols[j]] - mu[j]) * w[j];
        return g;
    }
    vd a = splat(0), b = a;
    ptrdiff_t j = 0;
    for (; j + 2 * VD <= p; j += 2 * VD) {
        a += (NAME(loadx)(x + j) - load(mu + j)) * load(w + j);
        b += (NAME(loadx)(x + j + VD) - load(mu + j + VD)) * load(w + j + VD);
    }
    double s = sum(a + b);
    for (; j < p; j++)
        s += (x[j] - mu[j]) * w[j];
    return s;
}

static void NAME(col_moments)(ptrdiff_t n, const void *xv, double shift, const double *s,
                              const double *v, double *out)
{
    const T *x = xv;
    const vd vm = splat(shift);
    vd a = splat(0), b = a, c = a, a2 = a, b2 = a, c2 = a;
    ptrdiff_t i = 0;
    for (; i + 2 * VD <= n; i += 2 * VD) {
        AHEAD(x + i);
        AHEAD(x + i + VD);
        vd d = NAME(loadx)(x + i) - vm, e = NAME(loadx)(x + i + VD) - vm;
        vd sd = d, se = e;
        if (s) {
            sd *= load(s + i);
            se *= load(s + i + VD);
        }
        a += sd;
        b += d * sd;
        c += d * load(v + i);
        a2 += se;
        b2 += e * se;
        c2 += e * load(v + i + VD);
    }
    double s1 = sum(a + a2), s2 = sum(b + b2), s3 = sum(c + c2);
    for (; i < n; i++) {
        double d = x[i] - shift, sd = s ? s[i] * d : d;
        s1 += sd;
        s2 += sd * d;
        s3 += v[i] * d;
    }
    out[0] += s1;
    out[1] += s2;
    out[2] += s3;
}

static inline __attribute__((always_inline)) void NAME(moments_of)(const int rows, ptrdiff_t p, const T *x, ptrdiff_t rs,
                                                                   const double *shift, const double *s,
                                                                   const double *v, double *m1, ptrdiff_t ldo)
{
    double *m2 = m1 + ldo, *m3 = m2 + ldo;
    for (ptrdiff_t j = 0; j + VD <= p; j += VD) {
        const vd m = load(shift + j);
        vd a = load(m1 + j), b = load(m2 + j), c = load(m3 + j);
#pragma GCC unroll 4
        for (int l = 0; l < rows; l++) {
            vd d = NAME(loadx)(x + l * rs + j) - m, sd = d;
            if (s)
                sd *= splat(s[l]);
            a += sd;
            b += d * sd;
            c += d * splat(v[l]);
        }
        store(m1 + j, a);
        store(m2 + j, b);
        store(m3 + j, c);
    }
}

/* Rows are read along memory, four at once: the sums stay in the first-level cache. */
static void NAME(row_moments)(ptrdiff_t n, ptrdiff_t p, const void *xv, ptrdiff_t rs, const double *shift,
                              const double *s, const double *v, double *out, ptrdiff_t ldo)
{
    double *m1 = out, *m2 = out + ldo, *m3 = out + 2 * ldo;
    const T *x = xv;
    ptrdiff_t at = 0;
    for (; at + 4 <= n; at += 4)
        NAME(moments_of)(4, p, x + at * rs, rs, shift, s ? s + at : NULL, v + at, out, ldo);
    for (; at < n; at++)
        NAME(moments_of)(1, p, x + at * rs, rs, shift, s ? s + at : NULL, v + at, out, ldo);
    for (ptrdiff_t j = p - p % VD; j < p; j++)
        for (ptrdiff_t i = 0; i < n; i++) {
            double d = x[i * rs + j] - shift[j], sd = s ? s[i] * d : d;
            m1[j] += sd;
            m2[j] += sd * d;
            m3[j] += v[i] * d;
        }
}

/* Columns that are contiguous in memory: VD x VD blocks are scaled and transposed in registers. Columns are pages apart,
 * and a panel takes little of each: no prefetcher of the processor's knows where the next strip is. */
static ptrdiff_t NAME(pack_columns)(const fr_source *src, ptrdiff_t k0, ptrdiff_t k1, const T **base, const T **next,
                                    const double *shift, const double *mult, double *out)
{
    ptrdiff_t k = k0;
    for (; k + VD <= k1; k += VD) {
        const vd shift_k = load(src->shift_k + k), mult_k = load(src->mult_k + k);
        for (int c = 0; c < MR; c += VD) {
            vd v[VD];
            for (int l = 0; l < VD; l++)
                SOON(next[c + l] + k);
            for (int l = 0; l < VD; l++)
                v[l] = (NAME(loadx)(base[c + l] + k) - (splat(shift[c + l]) + shift_k)) * (splat(mult[c + l]) * mult_k);
            transpose(v);
            for (int l = 0; l < VD; l++)
                store(out + (k - k0 + l) * MR + c, v[l]);
        }
    }
    return k;
}

/* Rows that are contiguous in memory. */
static void NAME(pack_rows)(const fr_source *src, ptrdiff_t k0, ptrdiff_t k1, const T *x, const double *shift,
                            const double *mult, double *out)
{
    for (ptrdiff_t k = k0; k < k1; k++, out += MR) {
        const ptrdiff_t i = src->rows ? src->rows[k] : k;
        const vd shift_k = splat(src->shift_k[i]), mult_k = splat(src->mult_k[i]);
        for (int c = 0; c < MR; c += VD)
            store(out + c, (NAME(loadx)(x + i * src->sk + c) - (load(shift + c) + shift_k)) * (load(mult + c) * mult_k));
    }
}

static void NAME(pack)(const fr_source *src, ptrdiff_t k0, ptrdiff_t k1, ptrdiff_t m, double *out)
{
    const ptrdiff_t sk = src->sk;
    for (ptrdiff_t c0 = 0; c0 < m; c0 += MR, out += MR * (k1 - k0)) {
        const ptrdiff_t width = m - c0 < MR ? m - c0 : MR;
        const T *base[MR], *next[MR];
        double shift[MR], mult[MR];
        for (ptrdiff_t c = 0; c < MR; c++) {        /* padding: a column that is there, times 0 */
            const ptrdiff_t at = c0 + (c < width ? c : 0), later = at + MR < m ? at + MR : at;
            const ptrdiff_t j = src->cols ? src->cols[at] : at;
            base[c] = (const T *)src->x + j * src->sc;
            next[c] = (const T *)src->x + (src->cols ? src->cols[later] : later) * src->sc;
            shift[c] = src->shift_c[j];
            mult[c] = c < width ? src->mult_c[j] : 0;
        }
        ptrdiff_t k = k0;
        if (sk == 1 && !src->rows) {
            k = NAME(pack_columns)(src, k0, k1, base, next, shift, mult, out);
        } else if (src->sc == 1 && !src->cols && width == MR) {
            NAME(pack_rows)(src, k0, k1, base[0], shift, mult, out);
            k = k1;
        }
        for (; k < k1; k++) {
            const ptrdiff_t i = src->rows ? src->rows[k] : k;
            const double shift_k = src->shift_k[i], mult_k = src->mult_k[i];
            double *o = out + (k - k0) * MR;
            for (ptrdiff_t c = 0; c < MR; c++)
                o[c] = base[c][i * sk];
            for (ptrdiff_t c = 0; c < MR; c++)
                o[c] = (o[c] - (shift[c] + shift_k)) * (mult[c] * mult_k);
        }
    }
}

#undef T
#undef NAME
