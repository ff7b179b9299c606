/* Optimizers, for one element type T (kernels.c includes this twice): a step on a block of weights, and in it the prox
 * of l1 |w| + l2/2 w^2 in the metric of the step.
 *
 * With z = w - h d (d the direction, h the step of this weight) the prox is S(z, h l1) / (1 + h l2). It is computed as a
 * displacement, w - h (d + l1 sign(z) + l2 w) / (1 + h l2), and 0 where |z| <= h l1: the same number, but exact where
 * there is no penalty, and one division in all, as Adam's h = rate / (sqrt(v) + epsilon) is multiplied through.
 *
 * SGD keeps scikit-learn's velocity. With a prox it is the displacement that was made, so that weights at rest are at
 * rest in loss + penalty whatever the momentum (iPiano; Ochs, Chen, Brox and Pock, 2014). Nesterov's weights are the
 * points looked ahead to; where the prox is 0 the velocity ends too, so that zeros stay exact. Adam: the prox in Adam's
 * own metric (ProxGen; Yun, Lozano and Yang, 2021), with scikit-learn's epsilon; correct1 and correct2 are
 * 1 / (1 - beta1^t) and sqrt(1 - beta2^t). */

static inline V NAME(root)(V x)
{
    ALIGNED T s[LANES];
    NAME(put)(s, x);
    for (ptrdiff_t l = 0; l < LANES; l++)
        s[l] = WIDE ? (T)sqrt(s[l]) : (T)sqrtf((float)s[l]);
    return NAME(get)(s);
}

#define EACH(...)                                                                                                   \
    {                                                                                                               \
        const T *g = gv;                                                                                            \
        T *w = (T *)u->w + at;                                                                                      \
        const V l1 = NAME(all)((T)u->l1), l2 = NAME(all)((T)u->l2), rate = NAME(all)((T)u->rate),                \
                keep = NAME(all)((T)(1 - u->decay)), scale = NAME(all)((T)u->scale), zero = NAME(all)(0),        \
                one = NAME(all)(1);                                                                                \
        (void)one, (void)rate;                                                                                                  \
        for (ptrdiff_t r = 0; r < rows; r++, g += ldg, w += u->ld)                                                  \
            for (ptrdiff_t q = 0; q < cols; q += LANES) {                                                              \
                const V gq = NAME(get)(g + q) * scale, wq = NAME(get)(w + q) * keep;                                \
                __VA_ARGS__                                                                                         \
            }                                                                                                       \
    }
#define STEP(name) static void NAME(name)(const fr_update *u, ptrdiff_t at, ptrdiff_t rows, ptrdiff_t cols, \
                                          const void *gv, ptrdiff_t ldg)
#define SIGNED(x, z) NAME(pick)(MASK((z) < zero), -(x), x)

STEP(sgd)
EACH({
    const V z = wq - rate * gq;
    const V moved = wq - rate * (gq + SIGNED(l1, z) + l2 * wq) / (one + rate * l2);
    NAME(put)(w + q, NAME(pick)(MASK(NAME(vabs)(z) <= rate * l1), zero, moved));
})

STEP(heavy_ball)
{
    T *m = (T *)u->m + at;
    const V momentum = NAME(all)((T)u->momentum);
    EACH({
        T *mq = m + r * u->ld + q;
        const V d = momentum * NAME(get)(mq) - rate * gq, z = wq + d;
        const V move = (d - rate * (SIGNED(l1, z) + l2 * wq)) / (one + rate * l2);
        const I stop = MASK(NAME(vabs)(z) <= rate * l1);
        NAME(put)(mq, NAME(pick)(stop, -wq, move));
        NAME(put)(w + q, NAME(pick)(stop, zero, wq + move));
    })
}

STEP(nesterov)
{
    T *m = (T *)u->m + at;
    const V momentum = NAME(all)((T)u->momentum);
    const V ahead = NAME(all)(u->apart ? 0 : (T)u->momentum);
    EACH({
        T *mq = m + r * u->ld + q;
        const V z = wq - rate * gq;
        const V move = -rate * (gq + SIGNED(l1, z) + l2 * wq) / (one + rate * l2);
        const I stop = MASK(NAME(vabs)(z) <= rate * l1);
        const V velocity = NAME(pick)(stop, zero, momentum * NAME(get)(mq) + move);
        NAME(put)(mq, velocity);
        NAME(put)(w + q, NAME(pick)(stop, zero, wq + move + ahead * velocity));
    })
}

STEP(adam)
{
    T *m = (T *)u->m + at, *v = (T *)u->v + at;
    const V b1 = NAME(all)((T)u->beta1), b2 = NAME(all)((T)u->beta2), a1 = NAME(all)((T)(1 - u->beta1)),
            a2 = NAME(all)((T)(1 - u->beta2)), epsilon = NAME(all)((T)u->epsilon),
            c1 = NAME(all)((T)u->correct1), step = NAME(all)((T)(u->rate * u->correct2));
    EACH({
        const ptrdiff_t to = r * u->ld + q;
        const V mq = b1 * NAME(get)(m + to) + a1 * gq, vq = b2 * NAME(get)(v + to) + a2 * gq * gq;
        const V size = NAME(root)(vq) + epsilon, d = c1 * mq, z = wq * size - step * d;
        const V moved = wq - step * (d + SIGNED(l1, z) + l2 * wq) / (size + step * l2);
        NAME(put)(m + to, mq);
        NAME(put)(v + to, vq);
        NAME(put)(w + q, NAME(pick)(MASK(NAME(vabs)(z) <= step * l1), zero, moved));
    })
}

/* After a prox that was a pass of its own: what it changed, w - z, enters the velocity. */
static void NAME(settle)(const fr_update *u, ptrdiff_t n, const void *zv, int nesterov)
{
    const T *z = zv, momentum = (T)u->momentum;
    T *w = u->w, *m = u->m;
    for (ptrdiff_t q = 0; q < n; q++) {
        const T velocity = m[q] + (w[q] - z[q]);
        m[q] = nesterov && w[q] == 0 ? 0 : velocity;
        w[q] = nesterov && w[q] != 0 ? w[q] + momentum * velocity : w[q];
    }
}
/* The steps h of n weights from Adam's v, for a prox that is a pass of its own. */
static void NAME(metric)(const fr_update *u, ptrdiff_t n, void *hv)
{
    const T *v = u->v;
    const V epsilon = NAME(all)((T)u->epsilon), step = NAME(all)((T)(u->rate * u->correct2));
    for (ptrdiff_t q = 0; q < n; q += LANES)
        NAME(put)((T *)hv + q, step / (NAME(root)(NAME(get)(v + q)) + epsilon));
}

static double NAME(square_sum)(ptrdiff_t n, const void *xv)
{
    const T *x = xv;
    double s = 0;
    for (ptrdiff_t q = 0; q < n; q++)
        s += (double)x[q] * x[q];
    return s;
}

static int NAME(finite)(ptrdiff_t n, const void *xv)
{
    const T *x = xv;
    int bad = 0;
    for (ptrdiff_t q = 0; q < n; q++)
        bad |= !(x[q] - x[q] == 0);
    return !bad;
}
#undef EACH
#undef STEP
#undef SIGNED
