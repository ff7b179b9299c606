/* Losses in the raw prediction, for one element type T (kernels.c includes this twice): value, first and second
 * derivative of one vector of predictions; one loop around them all.
 *
 * Their convex conjugates stand beside them. Formulas are arranged so that what is small is not a difference of what is large: the logistic loss of a row that is
 * fitted well, or its gradient, keeps all its digits. */

static inline void NAME(squared)(V r, V y, const T *par, V *l, V *g, V *h)
{
    (void)par;
    *g = r - y;
    *l = *g * *g * (T)0.5;
    *h = NAME(all)(1);
}

static inline void NAME(absolute)(V r, V y, const T *par, V *l, V *g, V *h)
{
    (void)par;
    V d = r - y;
    *l = NAME(vabs)(d);
    *g = NAME(pick)(MASK(d == (T)0), d, NAME(sign_of)(d, NAME(all)(1)));
    *h = NAME(all)(0);
}

static inline void NAME(huber)(V r, V y, const T *par, V *l, V *g, V *h)
{
    V d = r - y, a = NAME(vabs)(d), e = NAME(all)(par[0]);
    I in = MASK(a <= e);
    *g = NAME(pick)(in, d, NAME(sign_of)(d, e));
    *l = NAME(pick)(in, d * d * (T)0.5, e * (a - e * (T)0.5));
    *h = NAME(pick)(in, NAME(all)(1), NAME(all)(0));
}

static inline void NAME(quantile)(V r, V y, const T *par, V *l, V *g, V *h)
{
    V d = r - y, q = NAME(all)(par[0]), zero = NAME(all)(0);
    *g = NAME(pick)(MASK(d < (T)0), -q, NAME(pick)(MASK(d > (T)0), (T)1 - q, zero));
    *l = *g * d;
    *h = zero;
}

/* exp(r) - y r + y log y - y */
static inline void NAME(poisson)(V r, V y, const T *par, V *l, V *g, V *h)
{
    (void)par;
    V e = NAME(vexp)(r), zero = NAME(all)(0);
    V k = NAME(pick)(MASK(y > (T)0), y * NAME(vlog)(y) - y, zero);
    *l = (e + k) - y * r;
    *g = e - y;
    *h = e;
}

/* r + y exp(-r) - log y - 1 */
static inline void NAME(gamma)(V r, V y, const T *par, V *l, V *g, V *h)
{
    (void)par;
    V z = y * NAME(vexp)(-r);
    *l = (r - NAME(vlog)(y) - (T)1) + z;
    *g = (T)1 - z;
    *h = z;
}

/* exp((2-p) r) / (2-p) - y exp((1-p) r) / (1-p) + y^(2-p) / ((1-p) (2-p)), p neither 1 nor 2. Where both exponentials
 * overflow the one that grows faster wins: the value is +inf, the slope has the sign of r. */
static inline void NAME(tweedie)(V r, V y, const T *par, V *l, V *g, V *h)
{
    const T a = (T)2 - par[0], b = (T)1 - par[0];
    const V inf = NAME(all)((T)INFINITY), zero = NAME(all)(0);
    V A = NAME(vexp)(r * a), B = NAME(pick)(MASK(y == (T)0), zero, y * NAME(vexp)(r * b));
    V k = NAME(pick)(MASK(y > (T)0), NAME(vexp)(NAME(vlog)(y) * a), zero) / (a * b);
    *l = (A / a - B / b) + k;
    *g = A - B;
    *h = A * a - B * b;
    *l = NAME(pick)(MASK(*l == *l), *l, inf);
    *g = NAME(pick)(MASK(*g == *g), *g, NAME(sign_of)(r, inf));
    *h = NAME(pick)(MASK(*h == *h), *h, inf);
}

/* log(1 + exp(r)) - y r */
static inline void NAME(logistic)(V r, V y, const T *par, V *l, V *g, V *h)
{
    (void)par;
    const V one = NAME(all)(1), zero = NAME(all)(0);
    I up = MASK(r >= (T)0);
    V e = NAME(vexp)(-NAME(vabs)(r)), u = e + one, inv = one / u;
    *l = NAME(log_of)(u, (e - (u - one)) * inv, zero) + (NAME(pick)(up, r, zero) - y * r);
    *g = ((one - y) * NAME(pick)(up, one, e) - y * NAME(pick)(up, e, one)) * inv;
    *h = e * inv * inv;
}

#define BLOCK 256           /* elements whose weights are spread over outputs, and summed in T, at a time */
#define ON_ROWS(f) \
    static double NAME(rows_##f)(ptrdiff_t n, ptrdiff_t K, const void *raw, const void *y, const void *weight, \
                                 void *gradient, void *curvature, const double *params) \
    { \
        const T par[2] = {(T)params[0], (T)params[1]}; \
        const T *w = weight; \
        const ptrdiff_t N = n * K; \
        double sum = 0; \
        T spread[BLOCK]; \
        for (ptrdiff_t i = 0; !w && i < BLOCK && i < N; i++) \
            spread[i] = 1; \
        for (ptrdiff_t i0 = 0; i0 < N; i0 += BLOCK) { \
            const ptrdiff_t length = N - i0 < BLOCK ? N - i0 : BLOCK; \
            const T *wb = w && K == 1 ? w + i0 : spread; \
            for (ptrdiff_t i = 0; w && K > 1 && i < length; i++) \
                spread[i] = w[(i0 + i) / K]; \
            V acc = NAME(all)(0); \
            for (ptrdiff_t i = 0; i < length; i += LANES) { \
                const ptrdiff_t e = i0 + i, m = length - i < LANES ? length - i : LANES; \
                T part[3][LANES]; \
                V r, t, v, l, g, h; \
                if (m == LANES) { \
                    r = NAME(get)((const T *)raw + e); \
                    t = NAME(get)((const T *)y + e); \
                    v = NAME(get)(wb + i); \
                } else { \
                    for (ptrdiff_t j = 0; j < LANES; j++)       /* what is no row has weight 0 */ \
                        part[0][j] = part[2][j] = 0, part[1][j] = 1; \
                    memcpy(part[0], (const T *)raw + e, m * sizeof(T)); \
                    memcpy(part[1], (const T *)y + e, m * sizeof(T)); \
                    memcpy(part[2], wb + i, m * sizeof(T)); \
                    r = NAME(get)(part[0]); \
                    t = NAME(get)(part[1]); \
                    v = NAME(get)(part[2]); \
                } \
                NAME(f)(r, t, par, &l, &g, &h); \
                const V zero = NAME(all)(0); \
                const I some = MASK(v > (T)0);      /* a row of weight 0 adds nothing, whatever its prediction */ \
                acc += NAME(pick)(some, l * v, zero); \
                g = NAME(pick)(some, g * v, zero); \
                h = NAME(pick)(some, h * v, zero); \
                if (m == LANES) { \
                    if (gradient) \
                        NAME(put)((T *)gradient + e, g); \
                    if (curvature) \
                        NAME(put)((T *)curvature + e, h); \
                } else { \
                    NAME(put)(part[0], g); \
                    NAME(put)(part[1], h); \
                    if (gradient) \
                        memcpy((T *)gradient + e, part[0], m * sizeof(T)); \
                    if (curvature) \
                        memcpy((T *)curvature + e, part[1], m * sizeof(T)); \
                } \
            } \
            sum += NAME(total)(acc); \
        } \
        return sum; \
    }
ON_ROWS(squared)
ON_ROWS(absolute)
ON_ROWS(huber)
ON_ROWS(quantile)
ON_ROWS(poisson)
ON_ROWS(gamma)
ON_ROWS(tweedie)
ON_ROWS(logistic)
#undef ON_ROWS
#undef BLOCK

#if WIDE        /* certificates are in double */
/* Convex conjugates sup_r u r - l(r, y); +inf outside of their domains, which rounding may leave by a little. */
static inline V NAME(conj_squared)(V u, V y, const T *par)
{
    (void)par;
    return u * (u * (T)0.5 + y);
}

static inline V NAME(within)(V u, T low, T high, V value)
{
    return NAME(pick)(MASK(u >= low) & MASK(u <= high), value, NAME(all)((T)INFINITY));
}

static inline V NAME(conj_absolute)(V u, V y, const T *par)
{
    (void)par;
    return NAME(within)(u, -1, 1, u * y);
}

static inline V NAME(conj_huber)(V u, V y, const T *par)
{
    const T end = par[0] * (T)(1 + 1e-12);      /* a weighted slope divided by its weight is rounded */
    return NAME(within)(u, -end, end, u * (u * (T)0.5 + y));
}

static inline V NAME(conj_quantile)(V u, V y, const T *par)
{
    return NAME(within)(u, -par[0], 1 - par[0], u * y);
}

/* v log v; 0 at 0, and where v is less by the rounding of a number of that size. */
static inline V NAME(vlogv)(V v, V size)
{
    V end = NAME(pick)(MASK(v >= size * (T)-1e-15), NAME(all)(0), NAME(all)((T)INFINITY));
    return NAME(pick)(MASK(v > (T)0), v * NAME(vlog)(v), end);
}

static inline V NAME(conj_poisson)(V u, V y, const T *par)
{
    (void)par;
    V v = u + y;
    return NAME(vlogv)(v, y) - NAME(vlogv)(y, y) - u;
}

static inline V NAME(conj_gamma)(V u, V y, const T *par)
{
    (void)par;
    V one = NAME(all)(1);
    return NAME(vlogv)(one - u, one) + u * (one + NAME(vlog)(y));
}

static inline V NAME(conj_logistic)(V u, V y, const T *par)
{
    (void)par;
    V v = u + y, one = NAME(all)(1);
    return NAME(vlogv)(v, one) + NAME(vlogv)(one - v, one);
}

#define ON_PAIRS(f) \
    static void NAME(pairs_##f)(ptrdiff_t n, const T *u, const T *y, T *out, const T *par) \
    { \
        ptrdiff_t i = 0; \
        for (; i + LANES <= n; i += LANES) \
            NAME(put)(out + i, NAME(conj_##f)(NAME(get)(u + i), NAME(get)(y + i), par)); \
        if (i < n) { \
            T part[2][LANES] = {{0}}; \
            memcpy(part[0], u + i, (n - i) * sizeof(T)); \
            memcpy(part[1], y + i, (n - i) * sizeof(T)); \
            NAME(put)(part[0], NAME(conj_##f)(NAME(get)(part[0]), NAME(get)(part[1]), par)); \
            memcpy(out + i, part[0], (n - i) * sizeof(T)); \
        } \
    }
ON_PAIRS(squared)
ON_PAIRS(absolute)
ON_PAIRS(huber)
ON_PAIRS(quantile)
ON_PAIRS(poisson)
ON_PAIRS(gamma)
ON_PAIRS(logistic)
#undef ON_PAIRS
#endif

/* Cross-entropy of K classes, y the class number: log sum_k exp(r_k) - r_y. */
/* Few classes, gradient only: LANES rows at a time, a vector holds one class of theirs. */
#define FEW 32
static double NAME(rows_softmax_few)(ptrdiff_t n, ptrdiff_t K, const T *raw, const T *y, const T *weight, T *gradient)
{
    double sum = 0;
    for (ptrdiff_t at = 0; at < n; at += LANES) {
        const ptrdiff_t rows = n - at < LANES ? n - at : LANES;
        const T *r = raw + at * K;
        T part[FEW * LANES], w[LANES] = {0}, tops[LANES], loss[LANES], *g = gradient + at * K;
        if (rows < LANES)
            memset(part, 0, sizeof part);
        for (ptrdiff_t i = 0; i < rows; i++) {
            w[i] = weight ? weight[at + i] : 1;
            for (ptrdiff_t k = 0; k < K; k++)
                part[k * LANES + i] = r[i * K + k];
        }
        V top = NAME(get)(part), all = NAME(all)(0);
        for (ptrdiff_t k = 1; k < K; k++)
            top = NAME(vmax)(top, NAME(get)(part + k * LANES));
        for (ptrdiff_t k = 0; k < K; k++) {
            const V e = NAME(vexp)(NAME(get)(part + k * LANES) - top);
            NAME(put)(part + k * LANES, e);
            all += e;
        }
        const V weights = NAME(get)(w), scale = weights / all;
        for (ptrdiff_t k = 0; k < K; k++)       /* a row of weight 0 counts for nothing, whatever it holds */
            NAME(put)(part + k * LANES,
                      NAME(pick)(MASK(weights > (T)0), NAME(get)(part + k * LANES) * scale, NAME(all)(0)));
        NAME(put)(tops, top);
        NAME(put)(loss, NAME(vlog)(all));
        for (ptrdiff_t i = 0; i < rows; i++) {
            const ptrdiff_t truth = (ptrdiff_t)y[at + i];
            const double far = (double)(tops[i] - r[i * K + truth]) + (double)loss[i];
            for (ptrdiff_t k = 0; k < K; k++)
                g[i * K + k] = part[k * LANES + i];
            if (w[i] > 0) {
                g[i * K + truth] -= w[i];
                sum += (double)w[i] * far;
            }
        }
    }
    return sum;
}

static double NAME(rows_softmax)(ptrdiff_t n, ptrdiff_t K, const void *raw, const void *y, const void *weight,
                                 void *gradient, void *curvature, const double *params)
{
    (void)params;
    if (K <= FEW && LANES > 1 && gradient && !curvature)
        return NAME(rows_softmax_few)(n, K, raw, y, weight, gradient);
    double sum = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const T *r = (const T *)raw + i * K;
        const T w = weight ? ((const T *)weight)[i] : 1;
        const ptrdiff_t truth = (ptrdiff_t)((const T *)y)[i];
        T *g = gradient ? (T *)gradient + i * K : NULL, *h = curvature ? (T *)curvature + i * K : NULL;
        T *store = g ? g : h, top = r[0], inv;
        V acc = NAME(all)(0);
        for (ptrdiff_t k = 1; k < K; k++)
            top = r[k] > top ? r[k] : top;
        for (ptrdiff_t k = 0; k < K; k += LANES) {
            T part[LANES];
            const ptrdiff_t m = K - k < LANES ? K - k : LANES;
            for (ptrdiff_t j = 0; j < LANES; j++)
                part[j] = (T)-INFINITY;
            memcpy(part, r + k, m * sizeof(T));
            V e = NAME(vexp)(NAME(get)(part) - top);
            acc += e;
            NAME(put)(part, e);
            if (store)
                memcpy(store + k, part, m * sizeof(T));
        }
        const T all = NAME(total)(acc);
        if (w > 0)
            sum += (double)w * ((double)(top - r[truth]) + (double)LANE(NAME(vlog)(NAME(all)(all)), 0));
        inv = 1 / all;
        for (ptrdiff_t k = 0; store && k < K; k++) {
            const T p = store[k] * inv;
            if (h)
                h[k] = w > 0 ? w * p * (1 - p) : 0;
            if (g)
                g[k] = w > 0 ? w * p : 0;
        }
        if (g && w > 0)
            g[truth] -= w;
    }
    return sum;
}
#undef FEW
