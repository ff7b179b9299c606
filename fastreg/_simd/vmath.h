/* exp, log and their kin on whole vectors, for one element type T (kernels.c includes this twice).
 *
 * Branch-free: both sides of a case are computed and the bits of one are picked, so that a vector costs the same
 * whatever it holds. Arguments are reduced (exp: x = k log 2 + r, log: x = 2^k m), the rest is a polynomial: the
 * Chebyshev interpolant in as many terms as rounding asks for. Errors stay below 4 units in the last place; infinities,
 * NaN and subnormal numbers come out as libm has them. No function needs fused multiply-adds. */

#if WIDE
#define LN2_HI 6.93147180369123816490e-01       /* few enough digits that k times it is exact */
#define LN2_LO 1.90821492927058770002e-10
#define MANTISSA 52
#define BIAS 1023
#define ROUND 6755399441055744.0                /* 1.5 * 2^52: adding it leaves the nearest integer in the low bits */
#define INTEGER 4503599627370496.0              /* 2^52 */
#define ROOT_HALF 0x3fe6a09e667f3bcdULL
#define SMALLEST 2.2250738585072014e-308        /* normal */
#define LIFT 18014398509481984.0                /* 2^54 */
#define LIFT_LOG 54
#define EXP_LO -746.0
#define EXP_HI 710.0
#define EXPM1_LO -60.0
#define TANH_HI 22.0
#define ERF_HI 6.0
#define ERFC_MULT 14.4                          /* maps 1 / (x + 3) to -1..1 for x from 1 to ERF_HI */
#define ERFC_SHIFT 2.6
#else
#define LN2_HI 0.693359375f
#define LN2_LO -2.12194440054690583e-4f
#define MANTISSA 23
#define BIAS 127
#define ROUND 12582912.0f
#define INTEGER 8388608.0f
#define ROOT_HALF 0x3f3504f3U
#define SMALLEST 1.17549435e-38f
#define LIFT 33554432.0f                        /* 2^25 */
#define LIFT_LOG 25
#define EXP_LO -104.0f
#define EXP_HI 89.0f
#define EXPM1_LO -30.0f
#define TANH_HI 10.0f
#define ERF_HI 4.0f
#define ERFC_MULT 18.6666666666666667f
#define ERFC_SHIFT 3.66666666666666667f
#endif

/* (e^r - 1 - r) / r^2, |r| <= log(2) / 2 */
static const T NAME(exp_terms)[] = {
#if WIDE
    0.5, 0.16666666666666671, 0.0416666666666666698, 0.00833333333332606976, 0.00138888888888837016,
    0.000198412698750489052, 0.0000248015873257107583, 2.75572551109788893e-6, 2.75572734365704858e-7,
    2.51053372446652102e-8, 2.09147728322480897e-9
#else
    0.5f, 0.1666666668f, 0.04166646401f, 0.008333310824f, 0.001393375139f, 0.0001989110342f
#endif
};
/* (log((1 + s) / (1 - s)) / s - 2) / z in z = s^2 <= 0.0295 */
static const T NAME(log_terms)[] = {
#if WIDE
    0.66666666666666697, 0.39999999999899239, 0.285714286260958916, 0.222222111151441587, 0.181828905566957637,
    0.153316740301635091, 0.146170375488371513
#else
    0.6666666655f, 0.40000122f, 0.2855080255f, 0.2333096405f
#endif
};
/* erf(x) / x in x^2 <= 1 */
static const T NAME(erf_terms)[] = {
#if WIDE
    1.12837916709551257, -0.376126389031837481, 0.112837916709548787, -0.0268661706450767932, 0.00522397762481801447,
    -0.00085483269808337899, 0.000120553311116427109, -0.000014925595266831181, 1.64610004841213602e-6,
    -1.63503127010546184e-7, 1.46597752740469545e-8, -1.13728488567899247e-9, 5.95717614774611496e-11
#else
    1.128379166f, -0.3761262667f, 0.1128359472f, -0.02685421201f, 0.005189087423f, -0.0008016864287f, 7.875875063e-5f
#endif
};
/* exp(x^2) erfc(x) in ERFC_MULT / (x + 3) - ERFC_SHIFT */
static const T NAME(erfc_terms)[] = {
#if WIDE
    0.207983291333428867, 0.15436117429436918, 0.0496984454033941365, 0.0127131476956919182, 0.00247931469708625314,
    0.000331602960579283852, 0.0000195635831977817407, -2.42555748504292284e-6, -5.54127309801663994e-7,
    4.52673181334613388e-9, 1.13393357311470593e-8, 2.6377560229741262e-10, -2.5700407551346904e-10,
    -6.02173256030323971e-12, 6.04379214778881282e-12, -6.69764556479081509e-15
#else
    0.2460211296f, 0.138236976f, 0.03525001306f, 0.00695854f, 0.00101736573f, 9.709243779e-5f, 3.008990164e-6f,
    -5.492046495e-7f
#endif
};
#define POLY(x, terms) NAME(poly)(x, terms, sizeof(terms) / sizeof(T))

static inline V NAME(get)(const T *p) { V v; memcpy(&v, p, sizeof v); return v; }
static inline void NAME(put)(T *p, V v) { memcpy(p, &v, sizeof v); }
static inline I NAME(bits)(V v) { I i; memcpy(&i, &v, sizeof v); return i; }
static inline V NAME(value)(I i) { V v; memcpy(&v, &i, sizeof v); return v; }
static inline V NAME(all)(T a) { V z = {0}; return a - z; }
static inline I NAME(bits_of)(T a) { return NAME(bits)(NAME(all)(a)); }
/* a where the mask is set, b elsewhere */
static inline V NAME(pick)(I m, V a, V b) { return NAME(value)((m & NAME(bits)(a)) | (~m & NAME(bits)(b))); }
static inline V NAME(vabs)(V x) { return NAME(value)(NAME(bits)(x) & ~NAME(bits_of)((T)-0.0)); }
static inline V NAME(sign_of)(V x, V a) { return NAME(value)(NAME(bits)(a) | (NAME(bits)(x) & NAME(bits_of)((T)-0.0))); }
static inline V NAME(vmin)(V x, V hi) { return NAME(pick)(MASK(x > hi), hi, x); }       /* NaN stays */
static inline V NAME(vmax)(V x, V lo) { return NAME(pick)(MASK(x < lo), lo, x); }
static inline T NAME(total)(V v)
{
    T s = 0;
    for (ptrdiff_t l = 0; l < LANES; l++)
        s += LANE(v, l);
    return s;
}

static inline V NAME(poly)(V x, const T *c, int n)
{
    V s = NAME(all)(c[n - 1]);
#pragma GCC unroll 16
    for (int i = n - 2; i >= 0; i--)
        s = s * x + c[i];
    return s;
}

static inline V NAME(nearest)(V x)
{
    V r = x + (T)ROUND;
    return r - (T)ROUND;
}

/* 2^k of integers k in the exponent's range */
static inline V NAME(power2)(V k) { return NAME(value)(NAME(bits)(k + (T)(ROUND + BIAS)) << MANTISSA); }

/* e^r - 1 with x = k log 2 + r; x within what an exponent of two halves can hold */
static inline V NAME(reduced)(V x, V *k)
{
    *k = NAME(nearest)(x * (T)1.44269504088896340736);
    V r = (x - *k * (T)LN2_HI) - *k * (T)LN2_LO;
    return r + r * r * POLY(r, NAME(exp_terms));
}

static inline V NAME(vexp)(V x)
{
    V k, p = NAME(reduced)(NAME(vmin)(NAME(vmax)(x, NAME(all)(EXP_LO)), NAME(all)(EXP_HI)), &k);
    V half = NAME(nearest)(k * (T)0.5);         /* in two steps: 2^k itself may be out of range */
    return (p + (T)1) * NAME(power2)(half) * NAME(power2)(k - half);
}

static inline V NAME(vexpm1)(V x)
{
    V k, p = NAME(reduced)(NAME(vmin)(NAME(vmax)(x, NAME(all)(EXPM1_LO)), NAME(all)(EXP_HI)), &k);
    V half = NAME(nearest)(k * (T)0.5), rest = k - half, two = NAME(power2)(half);
    return (p * two + (two - NAME(power2)(-rest))) * NAME(power2)(rest);
}

/* log(u) + extra + lift log 2, u normal and positive */
static inline V NAME(log_of)(V u, V extra, V lift)
{
    I b = NAME(bits)(u) + (I)(NAME(bits_of)(1) - (U)ROOT_HALF);
    V k = NAME(value)((b >> MANTISSA) | NAME(bits_of)((T)INTEGER)) - (T)(INTEGER + BIAS) + lift;
    V f = NAME(value)((b & (((U)1 << MANTISSA) - 1)) + (U)ROOT_HALF) - (T)1;
    V s = f / (f + (T)2), z = s * s, h = f * f * (T)0.5;
    return k * (T)LN2_HI - ((h - (s * (h + z * POLY(z, NAME(log_terms))) + (k * (T)LN2_LO + extra))) - f);
}

/* what log has at the ends: x the argument, u what it is the logarithm of */
static inline V NAME(log_ends)(V x, V u, V value)
{
    value = NAME(pick)(MASK(x < (T)INFINITY), value, x);
    value = NAME(pick)(MASK(u == (T)0), NAME(all)((T)-INFINITY), value);
    return NAME(pick)(MASK(u < (T)0), NAME(all)((T)NAN), value);
}

static inline V NAME(vlog)(V x)
{
    I tiny = MASK(x < (T)SMALLEST);
    V zero = NAME(all)(0), u = NAME(pick)(tiny, x * (T)LIFT, x);
    return NAME(log_ends)(x, x, NAME(log_of)(u, zero, NAME(pick)(tiny, NAME(all)(-LIFT_LOG), zero)));
}

static inline V NAME(vlog1p)(V x)
{
    V u = x + (T)1, lost = NAME(pick)(MASK(x < (T)1), x - (u - (T)1), (T)1 - (u - x));      /* what u rounds off */
    return NAME(log_ends)(x, u, NAME(log_of)(u, lost / u, NAME(all)(0)));
}

static inline V NAME(vtanh)(V x)
{
    V e = NAME(vexpm1)(NAME(vmin)(NAME(vabs)(x), NAME(all)(TANH_HI)) * (T)2);
    return NAME(sign_of)(x, e / (e + (T)2));
}

static inline V NAME(vsigmoid)(V x)
{
    V e = NAME(vexp)(-NAME(vabs)(x));
    return NAME(pick)(MASK(x < (T)0), e, NAME(all)(1)) / (e + (T)1);
}

static inline V NAME(verf)(V x)
{
    V a = NAME(vmin)(NAME(vabs)(x), NAME(all)(ERF_HI)), z = a * a;
    V near = a * POLY(z, NAME(erf_terms));
    V far = (T)1 - NAME(vexp)(-z) * POLY((T)ERFC_MULT / (a + (T)3) - (T)ERFC_SHIFT, NAME(erfc_terms));
    return NAME(sign_of)(x, NAME(pick)(MASK(a < (T)1), near, far));
}

/* out[i] = f(x[i]); out may be x */
#define ON_ARRAYS(f) \
    static void NAME(all_##f)(ptrdiff_t n, const void *xv, void *outv) \
    { \
        const T *x = xv; \
        T *out = outv; \
        ptrdiff_t i = 0; \
        for (; i + LANES <= n; i += LANES) \
            NAME(put)(out + i, NAME(f)(NAME(get)(x + i))); \
        if (i < n) { \
            T part[LANES] = {0}; \
            memcpy(part, x + i, (n - i) * sizeof(T)); \
            NAME(put)(part, NAME(f)(NAME(get)(part))); \
            memcpy(out + i, part, (n - i) * sizeof(T)); \
        } \
    }
ON_ARRAYS(vexp)
ON_ARRAYS(vlog)
ON_ARRAYS(vlog1p)
ON_ARRAYS(vexpm1)
ON_ARRAYS(vtanh)
ON_ARRAYS(verf)
ON_ARRAYS(vsigmoid)
#undef ON_ARRAYS

#undef LN2_HI
#undef LN2_LO
#undef MANTISSA
#undef BIAS
#undef ROUND
#undef INTEGER
#undef ROOT_HALF
#undef SMALLEST
#undef LIFT
#undef LIFT_LOG
#undef EXP_LO
#undef EXP_HI
#undef EXPM1_LO
#undef TANH_HI
#undef ERF_HI
#undef ERFC_MULT
#undef ERFC_SHIFT
