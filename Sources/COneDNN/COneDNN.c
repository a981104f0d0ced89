#include "COneDNN.h"

#include <dlfcn.h>
#include <stdlib.h>

// The functions of oneDNN that Acceleration calls, found in the library when the program first asks for it: a program that
// was built with the headers runs without the library, too. Each forwards to the pointer of its name.

#define EACH(F) \
    F(dnnl_convolution_backward_data_desc_init) \
    F(dnnl_convolution_backward_weights_desc_init) \
    F(dnnl_convolution_forward_desc_init) \
    F(dnnl_engine_create) \
    F(dnnl_engine_destroy) \
    F(dnnl_get_effective_cpu_isa) \
    F(dnnl_inner_product_backward_data_desc_init) \
    F(dnnl_inner_product_backward_weights_desc_init) \
    F(dnnl_inner_product_forward_desc_init) \
    F(dnnl_memory_create) \
    F(dnnl_memory_desc_get_size) \
    F(dnnl_memory_desc_init_by_strides) \
    F(dnnl_memory_desc_init_by_tag) \
    F(dnnl_memory_desc_permute_axes) \
    F(dnnl_memory_destroy) \
    F(dnnl_post_ops_append_eltwise) \
    F(dnnl_post_ops_create) \
    F(dnnl_post_ops_destroy) \
    F(dnnl_primitive_attr_create) \
    F(dnnl_primitive_attr_destroy) \
    F(dnnl_primitive_attr_set_post_ops) \
    F(dnnl_primitive_attr_set_scratchpad_mode) \
    F(dnnl_primitive_create) \
    F(dnnl_primitive_desc_create) \
    F(dnnl_primitive_desc_destroy) \
    F(dnnl_primitive_desc_query) \
    F(dnnl_primitive_desc_query_md) \
    F(dnnl_primitive_destroy) \
    F(dnnl_primitive_execute) \
    F(dnnl_reorder_primitive_desc_create) \
    F(dnnl_stream_create) \
    F(dnnl_stream_destroy)

#define POINTER(name) static __typeof__(name) *name##_found;
EACH(POINTER)

const char *deai_onednn_load(void) {
    const char *chosen = getenv("DEAI_ONEDNN");
    // Version 3 has other functions.
    void *library = dlopen(chosen && *chosen ? chosen : "libdnnl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
#define FIND(name) \
    if (!(name##_found = (__typeof__(name) *)dlsym(library, #name))) return "it lacks " #name;
    EACH(FIND)
    return 0;
}

dnnl_status_t dnnl_convolution_backward_data_desc_init(dnnl_convolution_desc_t *conv_desc, dnnl_alg_kind_t alg_kind,
    const dnnl_memory_desc_t *diff_src_desc, const dnnl_memory_desc_t *weights_desc, const dnnl_memory_desc_t
    *diff_dst_desc, const dnnl_dims_t strides, const dnnl_dims_t padding_l, const dnnl_dims_t padding_r) {
    return dnnl_convolution_backward_data_desc_init_found(conv_desc, alg_kind, diff_src_desc, weights_desc,
        diff_dst_desc, strides, padding_l, padding_r);
}

dnnl_status_t dnnl_convolution_backward_weights_desc_init(dnnl_convolution_desc_t *conv_desc, dnnl_alg_kind_t
    alg_kind, const dnnl_memory_desc_t *src_desc, const dnnl_memory_desc_t *diff_weights_desc, const
    dnnl_memory_desc_t *diff_bias_desc, const dnnl_memory_desc_t *diff_dst_desc, const dnnl_dims_t strides, const
    dnnl_dims_t padding_l, const dnnl_dims_t padding_r) {
    return dnnl_convolution_backward_weights_desc_init_found(conv_desc, alg_kind, src_desc, diff_weights_desc,
        diff_bias_desc, diff_dst_desc, strides, padding_l, padding_r);
}

dnnl_status_t dnnl_convolution_forward_desc_init(dnnl_convolution_desc_t *conv_desc, dnnl_prop_kind_t prop_kind,
    dnnl_alg_kind_t alg_kind, const dnnl_memory_desc_t *src_desc, const dnnl_memory_desc_t *weights_desc, const
    dnnl_memory_desc_t *bias_desc, const dnnl_memory_desc_t *dst_desc, const dnnl_dims_t strides, const dnnl_dims_t
    padding_l, const dnnl_dims_t padding_r) {
    return dnnl_convolution_forward_desc_init_found(conv_desc, prop_kind, alg_kind, src_desc, weights_desc,
        bias_desc, dst_desc, strides, padding_l, padding_r);
}

dnnl_status_t dnnl_engine_create(dnnl_engine_t *engine, dnnl_engine_kind_t kind, size_t index) {
    return dnnl_engine_create_found(engine, kind, index);
}

dnnl_status_t dnnl_engine_destroy(dnnl_engine_t engine) {
    return dnnl_engine_destroy_found(engine);
}

dnnl_cpu_isa_t dnnl_get_effective_cpu_isa(void) {
    return dnnl_get_effective_cpu_isa_found();
}

dnnl_status_t dnnl_inner_product_backward_data_desc_init(dnnl_inner_product_desc_t *ip_desc, const
    dnnl_memory_desc_t *diff_src_desc, const dnnl_memory_desc_t *weights_desc, const dnnl_memory_desc_t
    *diff_dst_desc) {
    return dnnl_inner_product_backward_data_desc_init_found(ip_desc, diff_src_desc, weights_desc, diff_dst_desc);
}

dnnl_status_t dnnl_inner_product_backward_weights_desc_init(dnnl_inner_product_desc_t *ip_desc, const
    dnnl_memory_desc_t *src_desc, const dnnl_memory_desc_t *diff_weights_desc, const dnnl_memory_desc_t
    *diff_bias_desc, const dnnl_memory_desc_t *diff_dst_desc) {
    return dnnl_inner_product_backward_weights_desc_init_found(ip_desc, src_desc, diff_weights_desc, diff_bias_desc,
        diff_dst_desc);
}

dnnl_status_t dnnl_inner_product_forward_desc_init(dnnl_inner_product_desc_t *ip_desc, dnnl_prop_kind_t prop_kind,
    const dnnl_memory_desc_t *src_desc, const dnnl_memory_desc_t *weights_desc, const dnnl_memory_desc_t *bias_desc,
    const dnnl_memory_desc_t *dst_desc) {
    return dnnl_inner_product_forward_desc_init_found(ip_desc, prop_kind, src_desc, weights_desc, bias_desc,
        dst_desc);
}

dnnl_status_t dnnl_memory_create(dnnl_memory_t *memory, const dnnl_memory_desc_t *memory_desc, dnnl_engine_t engine,
    void *handle) {
    return dnnl_memory_create_found(memory, memory_desc, engine, handle);
}

size_t dnnl_memory_desc_get_size(const dnnl_memory_desc_t *memory_desc) {
    return dnnl_memory_desc_get_size_found(memory_desc);
}

dnnl_status_t dnnl_memory_desc_init_by_strides(dnnl_memory_desc_t *memory_desc, int ndims, const dnnl_dims_t dims,
    dnnl_data_type_t data_type, const dnnl_dims_t strides) {
    return dnnl_memory_desc_init_by_strides_found(memory_desc, ndims, dims, data_type, strides);
}

dnnl_status_t dnnl_memory_desc_init_by_tag(dnnl_memory_desc_t *memory_desc, int ndims, const dnnl_dims_t dims,
    dnnl_data_type_t data_type, dnnl_format_tag_t tag) {
    return dnnl_memory_desc_init_by_tag_found(memory_desc, ndims, dims, data_type, tag);
}

dnnl_status_t dnnl_memory_desc_permute_axes(dnnl_memory_desc_t *out_memory_desc, const dnnl_memory_desc_t
    *in_memory_desc, const int *permutation) {
    return dnnl_memory_desc_permute_axes_found(out_memory_desc, in_memory_desc, permutation);
}

dnnl_status_t dnnl_memory_destroy(dnnl_memory_t memory) {
    return dnnl_memory_destroy_found(memory);
}

dnnl_status_t dnnl_post_ops_append_eltwise(dnnl_post_ops_t post_ops, float scale, dnnl_alg_kind_t alg_kind, float
    alpha, float beta) {
    return dnnl_post_ops_append_eltwise_found(post_ops, scale, alg_kind, alpha, beta);
}

dnnl_status_t dnnl_post_ops_create(dnnl_post_ops_t *post_ops) {
    return dnnl_post_ops_create_found(post_ops);
}

dnnl_status_t dnnl_post_ops_destroy(dnnl_post_ops_t post_ops) {
    return dnnl_post_ops_destroy_found(post_ops);
}

dnnl_status_t dnnl_primitive_attr_create(dnnl_primitive_attr_t *attr) {
    return dnnl_primitive_attr_create_found(attr);
}

dnnl_status_t dnnl_primitive_attr_destroy(dnnl_primitive_attr_t attr) {
    return dnnl_primitive_attr_destroy_found(attr);
}

dnnl_status_t dnnl_primitive_attr_set_post_ops(dnnl_primitive_attr_t attr, const_dnnl_post_ops_t post_ops) {
    return dnnl_primitive_attr_set_post_ops_found(attr, post_ops);
}

dnnl_status_t dnnl_primitive_attr_set_scratchpad_mode(dnnl_primitive_attr_t attr, dnnl_scratchpad_mode_t mode) {
    return dnnl_primitive_attr_set_scratchpad_mode_found(attr, mode);
}

dnnl_status_t dnnl_primitive_create(dnnl_primitive_t *primitive, const_dnnl_primitive_desc_t primitive_desc) {
    return dnnl_primitive_create_found(primitive, primitive_desc);
}

dnnl_status_t dnnl_primitive_desc_create(dnnl_primitive_desc_t *primitive_desc, const_dnnl_op_desc_t op_desc,
    const_dnnl_primitive_attr_t attr, dnnl_engine_t engine, const_dnnl_primitive_desc_t hint_forward_primitive_desc)
    {
    return dnnl_primitive_desc_create_found(primitive_desc, op_desc, attr, engine, hint_forward_primitive_desc);
}

dnnl_status_t dnnl_primitive_desc_destroy(dnnl_primitive_desc_t primitive_desc) {
    return dnnl_primitive_desc_destroy_found(primitive_desc);
}

dnnl_status_t dnnl_primitive_desc_query(const_dnnl_primitive_desc_t primitive_desc, dnnl_query_t what, int index,
    void *result) {
    return dnnl_primitive_desc_query_found(primitive_desc, what, index, result);
}

const dnnl_memory_desc_t *dnnl_primitive_desc_query_md(const_dnnl_primitive_desc_t primitive_desc, dnnl_query_t
    what, int index) {
    return dnnl_primitive_desc_query_md_found(primitive_desc, what, index);
}

dnnl_status_t dnnl_primitive_destroy(dnnl_primitive_t primitive) {
    return dnnl_primitive_destroy_found(primitive);
}

dnnl_status_t dnnl_primitive_execute(const_dnnl_primitive_t primitive, dnnl_stream_t stream, int nargs, const
    dnnl_exec_arg_t *args) {
    return dnnl_primitive_execute_found(primitive, stream, nargs, args);
}

dnnl_status_t dnnl_reorder_primitive_desc_create(dnnl_primitive_desc_t *reorder_primitive_desc, const
    dnnl_memory_desc_t *src_desc, dnnl_engine_t src_engine, const dnnl_memory_desc_t *dst_desc, dnnl_engine_t
    dst_engine, const_dnnl_primitive_attr_t attr) {
    return dnnl_reorder_primitive_desc_create_found(reorder_primitive_desc, src_desc, src_engine, dst_desc,
        dst_engine, attr);
}

dnnl_status_t dnnl_stream_create(dnnl_stream_t *stream, dnnl_engine_t engine, unsigned flags) {
    return dnnl_stream_create_found(stream, engine, flags);
}

dnnl_status_t dnnl_stream_destroy(dnnl_stream_t stream) {
    return dnnl_stream_destroy_found(stream);
}
