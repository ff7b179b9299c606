/* Activations, each with its slope, dropout and charges on outputs, for one element type T (kernels.c includes this twice). */

#define ACTIVATION(name, values, slopes)                                                                            \
    static void NAME(act_##name)(ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t ld, void *zv, void *sv)                  \
    {                                                                                                               \
        T *zr = zv, *sr = sv;                                                                                       \
        const V one = NAME(all)(1), zero = NAME(all)(0);                                                            \
        (void)one, (void)zero;                                                                                      \
        for (ptrdiff_t r = 0; r < rows; r++, zr += ld)                                                              \
            for (ptrdiff_t q = 0; q < cols; q += LANES) {                                                           \
                const V z = NAME(get)(zr + q);                                                                      \
                values;                                                                                             \
                NAME(put)(zr + q, a);                                                                               \
                if (sr)                                                                                             \
                    NAME(put)(sr + r * ld + q, slopes);                                                             \
            }                                                                                                       \
    }

ACTIVATION(identity, const V a = z, one)
ACTIVATION(logistic, const V a = NAME(vsigmoid)(z), a * (one - a))
ACTIVATION(tanh, const V a = NAME(vtanh)(z), (one - a) * (one + a))
ACTIVATION(relu, const V a = NAME(vmax)(z, zero), NAME(pick)(MASK(z > zero), one, zero))
ACTIVATION(leaky_relu, const V side = NAME(pick)(MASK(z > zero), one, NAME(all)((T)0.01)); const V a = z * side, side)
ACTIVATION(elu, const V a = NAME(pick)(MASK(z < zero), NAME(vexpm1)(z), z), NAME(pick)(MASK(z < zero), a + one, one))
/* z Phi(z), Phi the normal distribution function */
ACTIVATION(gelu, const V p = NAME(all)((T)0.5) * (one + NAME(verf)(z * (T)0.70710678118654752440)); const V a = z * p,
           p + z * (T)0.39894228040143267794 * NAME(vexp)(z * z * (T)-0.5))
ACTIVATION(silu, const V p = NAME(vsigmoid)(z); const V a = z * p, p + a * (one - p))
ACTIVATION(softplus, const V a = NAME(vmax)(z, zero) + NAME(vlog1p)(NAME(vexp)(-NAME(vabs)(z))), NAME(vsigmoid)(z))
#undef ACTIVATION

/* Whether an element is dropped depends on its number and the keys alone: the same for any number of threads.
 * The mixing is the finaliser of MurmurHash3 (Appleby), twice. */
static void NAME(dropout)(const fr_dropout *d, ptrdiff_t at, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t ld, void *cv,
                          void *sv)
{
    T *c = cv, *slope = sv;
    const uint32_t bound = (uint32_t)(d->rate * 4294967296.0);
    const T scale = (T)(1 / (1 - d->rate));
    for (ptrdiff_t r = 0; r < rows; r++, at += ld)
        for (ptrdiff_t q = 0; q < cols; q++) {
            uint32_t x = (uint32_t)(at + q) ^ d->key0;
            x = (x ^ (x >> 16)) * 0x85ebca6bu;
            x = (x ^ (x >> 13)) * 0xc2b2ae35u;
            x = (x ^ (x >> 16)) + d->key1;
            x = (x ^ (x >> 16)) * 0x85ebca6bu;
            x = (x ^ (x >> 13)) * 0xc2b2ae35u;
            x ^= x >> 16;
            const T factor = x < bound ? 0 : scale;
            c[r * ld + q] *= factor;
            if (slope)
                slope[r * ld + q] *= factor;
        }
}

/* What a charge of l1 |a| + l2/2 a^2 on the outputs a of a layer, in rows of weight s, adds to the deltas that came down
 * to it; then the deltas go through the activation. */
static void NAME(activity)(ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t ld, double l1, double l2, const void *weight,
                           const void *av, const void *slopes, void *dv)
{
    for (ptrdiff_t r = 0; r < rows; r++) {
        const T *a = (const T *)av + r * ld, *slope = (const T *)slopes + r * ld, s = ((const T *)weight)[r];
        T *d = (T *)dv + r * ld;
        for (ptrdiff_t q = 0; q < cols; q++)
            d[q] = (d[q] + s * ((T)l1 * (T)((a[q] > 0) - (a[q] < 0)) + (T)l2 * a[q])) * slope[q];
    }
}
