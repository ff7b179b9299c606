from fastreg._simd.dispatch cimport fr_activation, fr_net


cdef fr_activation find_activation(const fr_net *net, str name) except? NULL
