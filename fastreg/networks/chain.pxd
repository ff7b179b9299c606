from fastreg._simd.dispatch cimport fr_activation, fr_csr, fr_net, fr_rows


cdef struct Layer:
    Py_ssize_t n_in, n_out
    Py_ssize_t ld               # from one row of the weights to the next
    Py_ssize_t n                # columns of the outputs with padding; 1: a single column, without
    Py_ssize_t w, b             # where weights and biases are in an arena, in elements
    fr_activation activate
    bint identity, relu
    bint slopes                 # while training, the forward pass leaves slopes where the deltas will be
    bint charged                # or, as outputs are charged with l1 |a| + l2/2 a^2, keeps them apart
    double l1, l2


# The layers, and the arena that their weights are in.
cdef struct Chain:
    const fr_net *net
    bint f32
    Py_ssize_t item             # bytes of an element
    Py_ssize_t n_layers
    Py_ssize_t size             # of an arena, in elements
    Layer *layers
    char *arena


# Where a layer's outputs, deltas and (charged) slopes are for a batch; ld from one row to the next.
cdef struct Place:
    char *outputs
    char *deltas
    char *slopes
    Py_ssize_t ld


# X or Y as it came: dense rows or CSR.
cdef struct Source:
    const char *data
    Py_ssize_t ld               # of rows of floats (of so many bytes), in elements
    int nbytes
    bint other                  # not that, but numbers of some kind; strides are in bytes
    int kind
    Py_ssize_t row, column
    bint sparse
    fr_csr csr


# What a batch needs: gathered rows, outputs, deltas.
cdef struct Space:
    Py_ssize_t rows             # at most
    char *x
    Py_ssize_t ldx
    bint sparse
    fr_rows csr, transposed
    Place *places
    char *targets               # (rows, columns of Y)
    char *weight                # (rows,)
    char *raw                   # (rows, outputs): the last outputs, and the loss' gradient, without padding
    char *gradient
    char *sums                  # the layers' bias gradients
    Py_ssize_t sums_bytes
    char *scratch               # of the threads
    Py_ssize_t scratch_bytes


cdef class Spaces:
    """Room for batches, a Space each."""
    cdef object memory
    cdef Py_ssize_t count
    cdef Space *space
    cdef Place *places

    cdef object lay_out(self, const Chain *c, Py_ssize_t rows, Py_ssize_t targets, Py_ssize_t nnz, bint training,
                        int threads, char *base)


cdef object aligned(Py_ssize_t nbytes)
cdef char *address(object array) noexcept
cdef Py_ssize_t up(Py_ssize_t n, Py_ssize_t unit) noexcept nogil
cdef Py_ssize_t padded(const Chain *c, Py_ssize_t n) noexcept nogil
cdef double products(const Chain *c) noexcept nogil
cdef void load_sparse(const Chain *c, Space *s, Py_ssize_t m, const Source *x, const Py_ssize_t *rows) noexcept nogil
cdef double weigh(const Source *weight, const Py_ssize_t *rows, Py_ssize_t m) noexcept nogil
cdef void share(const Chain *c, Space *s, Py_ssize_t i0, Py_ssize_t i1, const Source *weight, const Py_ssize_t *rows,
                double total) noexcept nogil
