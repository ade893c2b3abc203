// Stands in for cuRAND (as curand.h and curand_kernel.h), which Brian2CUDA sets up in every program.
// Random numbers of neuro are data, so nothing draws any here: no library, no state on the GPU.
#ifndef CURAND_H_
#define CURAND_H_

enum curandStatus_t {
    CURAND_STATUS_SUCCESS,
    CURAND_STATUS_VERSION_MISMATCH,
    CURAND_STATUS_NOT_INITIALIZED,
    CURAND_STATUS_ALLOCATION_FAILED,
    CURAND_STATUS_TYPE_ERROR,
    CURAND_STATUS_OUT_OF_RANGE,
    CURAND_STATUS_LENGTH_NOT_MULTIPLE,
    CURAND_STATUS_DOUBLE_PRECISION_REQUIRED,
    CURAND_STATUS_LAUNCH_FAILURE,
    CURAND_STATUS_PREEXISTING_FAILURE,
    CURAND_STATUS_INITIALIZATION_FAILED,
    CURAND_STATUS_ARCH_MISMATCH,
    CURAND_STATUS_INTERNAL_ERROR
};
enum curandRngType { CURAND_RNG_PSEUDO_DEFAULT };
struct curandState {};
typedef struct neuro_no_generator* curandGenerator_t;

inline curandStatus_t curandCreateGenerator(curandGenerator_t* generator, curandRngType)
{
    *generator = nullptr;
    return CURAND_STATUS_SUCCESS;
}
inline curandStatus_t curandDestroyGenerator(curandGenerator_t) { return CURAND_STATUS_SUCCESS; }
inline curandStatus_t curandSetPseudoRandomGeneratorSeed(curandGenerator_t, unsigned long long)
{
    return CURAND_STATUS_SUCCESS;
}
inline curandStatus_t curandSetGeneratorOffset(curandGenerator_t, unsigned long long)
{
    return CURAND_STATUS_SUCCESS;
}
__device__ inline void curand_init(unsigned long long, unsigned long long, unsigned long long, curandState*) {}

// Code that would draw numbers is there, but nothing calls it.
template <typename... Anything> curandStatus_t neuro_no_numbers(Anything...) { return CURAND_STATUS_NOT_INITIALIZED; }
#define curandGenerateUniform neuro_no_numbers
#define curandGenerateUniformDouble neuro_no_numbers
#define curandGenerateNormal neuro_no_numbers
#define curandGenerateNormalDouble neuro_no_numbers
#define curandGeneratePoisson neuro_no_numbers

#endif
