// The part of wasmtime's C API that the emulator uses, declared by ourselves and bound at run time:
// nothing is linked, and a missing library is an error value instead of a program that does not start.
// Layouts follow wasmtime 50; they were checked field by field against the library's own bindings.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "CHostMemory.h"

typedef struct wasm_config wasm_config_t;
typedef struct wasm_engine wasm_engine_t;
typedef struct wasm_functype wasm_functype_t;
typedef struct wasm_memorytype wasm_memorytype_t;
typedef struct wasm_valtype wasm_valtype_t;
typedef struct wasm_trap wasm_trap_t;
typedef struct wasmtime_caller wasmtime_caller_t;
typedef struct wasmtime_context wasmtime_context_t;
typedef struct wasmtime_error wasmtime_error_t;
typedef struct wasmtime_instance_pre wasmtime_instance_pre_t;
typedef struct wasmtime_linker wasmtime_linker_t;
typedef struct wasmtime_module wasmtime_module_t;
typedef struct wasmtime_store wasmtime_store_t;

typedef struct { size_t size; char *data; } wasm_byte_vec_t;
typedef struct { size_t size; wasm_valtype_t **data; } wasm_valtype_vec_t;

typedef struct { uint64_t store_id; void *internal; } wasmtime_func_t;
typedef struct { uint64_t store_id; uint32_t field1, field2, field3; } wasmtime_global_t;
typedef struct { struct { uint64_t store_id; uint32_t field1; } head; uint32_t field2; } wasmtime_table_t;
typedef struct { struct { uint64_t store_id; uint32_t field1; } head; uint32_t field2; } wasmtime_memory_t;
typedef struct { uint64_t store_id; size_t internal; } wasmtime_instance_t;

enum { CWASMTIME_EXTERN_FUNC = 0, CWASMTIME_EXTERN_GLOBAL = 1, CWASMTIME_EXTERN_TABLE = 2, CWASMTIME_EXTERN_MEMORY = 3 };
enum { CWASMTIME_I32 = 0, CWASMTIME_I64 = 1, CWASMTIME_F32 = 2, CWASMTIME_F64 = 3, CWASMTIME_V128 = 4, CWASMTIME_FUNCREF = 5 };

typedef struct {
    uint8_t kind;
    union {
        wasmtime_func_t func;
        wasmtime_global_t global;
        wasmtime_table_t table;
        wasmtime_memory_t memory;
    } of;
} wasmtime_extern_t;

typedef struct {
    uint8_t kind;
    union {
        int32_t i32;
        int64_t i64;
        uint32_t f32_bits;
        uint64_t f64_bits;
        uint8_t v128[16];
        wasmtime_func_t funcref;
        struct { uint64_t store_id; uint32_t field1, field2; void *field3; } reference;
    } of;
} wasmtime_val_t;

typedef union {
    int32_t i32;
    int64_t i64;
    uint64_t bits[2];
} __attribute__((aligned(16))) wasmtime_val_raw_t;

_Static_assert(sizeof(wasmtime_extern_t) == 32, "wasmtime_extern_t");
_Static_assert(sizeof(wasmtime_val_t) == 32, "wasmtime_val_t");
_Static_assert(sizeof(wasmtime_val_raw_t) == 16, "wasmtime_val_raw_t");
_Static_assert(sizeof(wasmtime_global_t) == 24, "wasmtime_global_t");
_Static_assert(sizeof(wasmtime_memory_t) == 24, "wasmtime_memory_t");

typedef wasm_trap_t *(*wasmtime_func_unchecked_callback_t)(void *, wasmtime_caller_t *, wasmtime_val_raw_t *, size_t);
typedef void (*cwasmtime_finalizer_t)(void *);

typedef struct wasmtime_call_future wasmtime_call_future_t;

/// Asked at each poll of a call whether the asynchronous host function it stands in has ended.
typedef struct {
    bool (*callback)(void *env);
    void *env;
    cwasmtime_finalizer_t finalizer;
} wasmtime_async_continuation_t;

typedef void (*wasmtime_func_async_callback_t)(void *env, wasmtime_caller_t *caller, const wasmtime_val_t *arguments,
                                               size_t argument_count, wasmtime_val_t *results, size_t result_count,
                                               wasm_trap_t **trap, wasmtime_async_continuation_t *continuation);

typedef struct {
    void *env;
    uint8_t *(*get_memory)(void *env, size_t *bytes, size_t *capacity);
    wasmtime_error_t *(*grow_memory)(void *env, size_t bytes);
    cwasmtime_finalizer_t finalizer;
} wasmtime_linear_memory_t;

typedef struct {
    void *env;
    wasmtime_error_t *(*new_memory)(void *env, const wasm_memorytype_t *type, size_t minimum, size_t maximum,
                                    size_t reserved, size_t guard, wasmtime_linear_memory_t *result);
    cwasmtime_finalizer_t finalizer;
} wasmtime_memory_creator_t;

// result type, name, parameters, arguments
#define CWASMTIME_FUNCTIONS(X) \
    X(wasm_config_t *, wasm_config_new, (void), ()) \
    X(wasm_engine_t *, wasm_engine_new_with_config, (wasm_config_t *config), (config)) \
    X(void, wasm_engine_delete, (wasm_engine_t *engine), (engine)) \
    X(void, wasmtime_config_max_wasm_stack_set, (wasm_config_t *config, size_t bytes), (config, bytes)) \
    X(void, wasmtime_config_async_stack_size_set, (wasm_config_t *config, uint64_t bytes), (config, bytes)) \
    X(void, wasmtime_config_wasm_threads_set, (wasm_config_t *config, bool on), (config, on)) \
    X(void, wasmtime_config_wasm_tail_call_set, (wasm_config_t *config, bool on), (config, on)) \
    X(void, wasmtime_config_wasm_function_references_set, (wasm_config_t *config, bool on), (config, on)) \
    X(void, wasmtime_config_wasm_gc_set, (wasm_config_t *config, bool on), (config, on)) \
    X(void, wasmtime_config_wasm_exceptions_set, (wasm_config_t *config, bool on), (config, on)) \
    X(void, wasmtime_config_wasm_relaxed_simd_set, (wasm_config_t *config, bool on), (config, on)) \
    X(void, wasmtime_config_wasm_multi_memory_set, (wasm_config_t *config, bool on), (config, on)) \
    X(void, wasmtime_config_wasm_memory64_set, (wasm_config_t *config, bool on), (config, on)) \
    X(void, wasmtime_config_wasm_branch_hinting_set, (wasm_config_t *config, bool on), (config, on)) \
    X(void, wasmtime_config_parallel_compilation_set, (wasm_config_t *config, bool on), (config, on)) \
    X(void, wasmtime_config_cranelift_nan_canonicalization_set, (wasm_config_t *config, bool on), (config, on)) \
    X(void, wasmtime_config_cranelift_opt_level_set, (wasm_config_t *config, uint8_t level), (config, level)) \
    X(void, wasmtime_config_memory_may_move_set, (wasm_config_t *config, bool on), (config, on)) \
    X(void, wasmtime_config_memory_reservation_set, (wasm_config_t *config, uint64_t bytes), (config, bytes)) \
    X(void, wasmtime_config_memory_guard_size_set, (wasm_config_t *config, uint64_t bytes), (config, bytes)) \
    X(void, wasmtime_config_memory_init_cow_set, (wasm_config_t *config, bool on), (config, on)) \
    X(void, wasmtime_config_host_memory_creator_set, (wasm_config_t *config, wasmtime_memory_creator_t *creator), (config, creator)) \
    X(wasmtime_error_t *, wasmtime_module_new, (wasm_engine_t *engine, const uint8_t *wasm, size_t size, wasmtime_module_t **result), (engine, wasm, size, result)) \
    X(wasmtime_error_t *, wasmtime_module_validate, (wasm_engine_t *engine, const uint8_t *wasm, size_t size), (engine, wasm, size)) \
    X(wasmtime_error_t *, wasmtime_module_serialize, (wasmtime_module_t *module, wasm_byte_vec_t *result), (module, result)) \
    X(wasmtime_error_t *, wasmtime_module_deserialize, (wasm_engine_t *engine, const uint8_t *bytes, size_t size, wasmtime_module_t **result), (engine, bytes, size, result)) \
    X(void, wasmtime_module_delete, (wasmtime_module_t *module), (module)) \
    X(wasmtime_linker_t *, wasmtime_linker_new, (wasm_engine_t *engine), (engine)) \
    X(void, wasmtime_linker_delete, (wasmtime_linker_t *linker), (linker)) \
    X(wasmtime_error_t *, wasmtime_linker_define_func_unchecked, \
        (wasmtime_linker_t *linker, const char *module, size_t module_size, const char *name, size_t name_size, const wasm_functype_t *type, wasmtime_func_unchecked_callback_t callback, void *env, cwasmtime_finalizer_t finalizer), \
        (linker, module, module_size, name, name_size, type, callback, env, finalizer)) \
    X(wasmtime_error_t *, wasmtime_linker_define_async_func, \
        (wasmtime_linker_t *linker, const char *module, size_t module_size, const char *name, size_t name_size, const wasm_functype_t *type, wasmtime_func_async_callback_t callback, void *env, cwasmtime_finalizer_t finalizer), \
        (linker, module, module_size, name, name_size, type, callback, env, finalizer)) \
    X(wasmtime_call_future_t *, wasmtime_instance_pre_instantiate_async, \
        (const wasmtime_instance_pre_t *pre, wasmtime_context_t *store, wasmtime_instance_t *instance, wasm_trap_t **trap, wasmtime_error_t **error), \
        (pre, store, instance, trap, error)) \
    X(wasmtime_call_future_t *, wasmtime_func_call_async, \
        (wasmtime_context_t *store, const wasmtime_func_t *func, const wasmtime_val_t *arguments, size_t argument_count, wasmtime_val_t *results, size_t result_count, wasm_trap_t **trap, wasmtime_error_t **error), \
        (store, func, arguments, argument_count, results, result_count, trap, error)) \
    X(bool, wasmtime_call_future_poll, (wasmtime_call_future_t *future), (future)) \
    X(void, wasmtime_call_future_delete, (wasmtime_call_future_t *future), (future)) \
    X(wasmtime_error_t *, wasmtime_linker_instantiate_pre, (wasmtime_linker_t *linker, const wasmtime_module_t *module, wasmtime_instance_pre_t **result), (linker, module, result)) \
    X(void, wasmtime_instance_pre_delete, (wasmtime_instance_pre_t *pre), (pre)) \
    X(wasmtime_error_t *, wasmtime_instance_pre_instantiate, (const wasmtime_instance_pre_t *pre, wasmtime_context_t *store, wasmtime_instance_t *instance, wasm_trap_t **trap), (pre, store, instance, trap)) \
    X(bool, wasmtime_instance_export_get, (wasmtime_context_t *store, const wasmtime_instance_t *instance, const char *name, size_t size, wasmtime_extern_t *result), (store, instance, name, size, result)) \
    X(wasmtime_store_t *, wasmtime_store_new, (wasm_engine_t *engine, void *data, cwasmtime_finalizer_t finalizer), (engine, data, finalizer)) \
    X(wasmtime_context_t *, wasmtime_store_context, (wasmtime_store_t *store), (store)) \
    X(void, wasmtime_store_delete, (wasmtime_store_t *store), (store)) \
    X(void *, wasmtime_context_get_data, (const wasmtime_context_t *store), (store)) \
    X(wasmtime_context_t *, wasmtime_caller_context, (wasmtime_caller_t *caller), (caller)) \
    X(void, wasmtime_global_get, (wasmtime_context_t *store, const wasmtime_global_t *global, wasmtime_val_t *value), (store, global, value)) \
    X(wasmtime_error_t *, wasmtime_global_set, (wasmtime_context_t *store, const wasmtime_global_t *global, const wasmtime_val_t *value), (store, global, value)) \
    X(uint8_t *, wasmtime_memory_data, (const wasmtime_context_t *store, const wasmtime_memory_t *memory), (store, memory)) \
    X(size_t, wasmtime_memory_data_size, (const wasmtime_context_t *store, const wasmtime_memory_t *memory), (store, memory)) \
    X(bool, wasmtime_table_get, (wasmtime_context_t *store, const wasmtime_table_t *table, uint64_t index, wasmtime_val_t *value), (store, table, index, value)) \
    X(wasm_functype_t *, wasmtime_func_type, (const wasmtime_context_t *store, const wasmtime_func_t *func), (store, func)) \
    X(wasmtime_error_t *, wasmtime_func_call_unchecked, (wasmtime_context_t *store, const wasmtime_func_t *func, wasmtime_val_raw_t *values, size_t count, wasm_trap_t **trap), (store, func, values, count, trap)) \
    X(const wasm_valtype_vec_t *, wasm_functype_params, (const wasm_functype_t *type), (type)) \
    X(const wasm_valtype_vec_t *, wasm_functype_results, (const wasm_functype_t *type), (type)) \
    X(uint8_t, wasm_valtype_kind, (const wasm_valtype_t *type), (type)) \
    X(wasm_valtype_t *, wasm_valtype_new, (uint8_t kind), (kind)) \
    X(void, wasm_valtype_vec_new, (wasm_valtype_vec_t *result, size_t count, wasm_valtype_t *const types[]), (result, count, types)) \
    X(wasm_functype_t *, wasm_functype_new, (wasm_valtype_vec_t *parameters, wasm_valtype_vec_t *results), (parameters, results)) \
    X(void, wasm_functype_delete, (wasm_functype_t *type), (type)) \
    X(wasm_trap_t *, wasmtime_trap_new, (const char *text, size_t size), (text, size)) \
    X(bool, wasmtime_trap_code, (const wasm_trap_t *trap, uint8_t *code), (trap, code)) \
    X(void, wasm_trap_message, (const wasm_trap_t *trap, wasm_byte_vec_t *result), (trap, result)) \
    X(void, wasm_trap_delete, (wasm_trap_t *trap), (trap)) \
    X(wasmtime_error_t *, wasmtime_error_new, (const char *text), (text)) \
    X(void, wasmtime_error_message, (const wasmtime_error_t *error, wasm_byte_vec_t *result), (error, result)) \
    X(void, wasmtime_error_delete, (wasmtime_error_t *error), (error)) \
    X(void, wasm_byte_vec_delete, (wasm_byte_vec_t *bytes), (bytes))

#define CWASMTIME_SLOT(result, name, parameters, arguments) result (*name) parameters;
struct cwasmtime_table { CWASMTIME_FUNCTIONS(CWASMTIME_SLOT) };
#undef CWASMTIME_SLOT

/// Filled once by `cwasmtime_load`, before any other thread calls a wrapper.
extern struct cwasmtime_table cwasmtime;

#define CWASMTIME_WRAPPER(result, name, parameters, arguments) \
    static inline result name parameters { return cwasmtime.name arguments; }
CWASMTIME_FUNCTIONS(CWASMTIME_WRAPPER)
#undef CWASMTIME_WRAPPER

/// Binds every function from the library at `path`. NULL on success, else a sentence that stays valid.
const char *cwasmtime_load(const char *path);
