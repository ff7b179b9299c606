# Numbers below the smallest normal one (1e-38 in float32) count as 0 while a network computes. Gradients of a dead
# neuron are 0, and Adam's mean of them ends at 1e-45, as rounding doesn't let it reach 0; some processors take 150
# cycles for each operation on such a number. A thread sets the mode for its task, and puts back what was.

cdef extern from *:
    """
    #ifndef FR_FLUSH
    #if defined(__SSE2__) || defined(_M_X64)
    #include <xmmintrin.h>
    #define FR_FLUSH 0x8040ull      /* results, operands */
    static inline unsigned long long fr_mode(void) { return _mm_getcsr(); }
    static inline void fr_set_mode(unsigned long long mode) { _mm_setcsr((unsigned)mode); }
    #elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
    #define FR_FLUSH (1ull << 24)
    static inline unsigned long long fr_mode(void)
    {
        unsigned long long mode;
        __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
        return mode;
    }
    static inline void fr_set_mode(unsigned long long mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
    #else
    #define FR_FLUSH 0ull
    static inline unsigned long long fr_mode(void) { return 0; }
    static inline void fr_set_mode(unsigned long long mode) { (void)mode; }
    #endif
    #endif
    """
    unsigned long long FR_FLUSH
    unsigned long long mode "fr_mode"() nogil
    void set_mode "fr_set_mode"(unsigned long long mode) nogil


cdef inline unsigned long long flush_subnormals() noexcept nogil:
    """Returns the mode to put back."""
    cdef unsigned long long before = mode()
    set_mode(before | FR_FLUSH)
    return before
