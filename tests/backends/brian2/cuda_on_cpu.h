// CUDA's interface for a processor, as far as generated programs use it: memory of the "GPU" is
// memory, kernels are functions. Threads of a kernel run one after the other, the last one first,
// so that whatever depends on their order comes out differently than on one that counts upwards.
#ifndef CUDA_ON_CPU_H
#define CUDA_ON_CPU_H

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __shared__
#define __launch_bounds__(...)
#define __syncthreads()

using std::max;
using std::min;

struct uint3 { int x = 0, y = 0, z = 0; };
inline uint3 threadIdx, blockIdx, blockDim, gridDim;

enum cudaError { cudaSuccess, cudaErrorInvalidConfiguration };
typedef cudaError cudaError_t;
inline cudaError cuda_last_error = cudaSuccess;

template <typename Kernel> void cuda_launch(Kernel kernel, int blocks, int threads, size_t = 0)
{
    if (blocks < 1 || threads < 1 || threads > 1024) {
        cuda_last_error = cudaErrorInvalidConfiguration;
        return;
    }
    gridDim.x = blocks;
    blockDim.x = threads;
    for (blockIdx.x = blocks - 1; blockIdx.x >= 0; blockIdx.x--)
        for (threadIdx.x = threads - 1; threadIdx.x >= 0; threadIdx.x--)
            kernel();
}

template <typename T> T atomicAdd(T* address, T value)
{
    const T old = *address;
    *address += value;
    return old;
}

enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaLimit { cudaLimitMallocHeapSize };
struct cudaDeviceProp
{
    int multiProcessorCount = 2, maxThreadsPerBlock = 1024, maxThreadsPerMultiProcessor = 2048, warpSize = 32;
    size_t sharedMemPerBlock = 49152;
};
struct cudaFuncAttributes
{
    int maxThreadsPerBlock = 1024, numRegs = 0;
    size_t sharedSizeBytes = 0, localSizeBytes = 0, constSizeBytes = 0;
};

template <typename T> cudaError cudaMalloc(T** pointer, size_t bytes)
{
    *pointer = (T*)std::malloc(bytes);
    std::memset((void*)*pointer, 0xa5, bytes);  // new memory holds anything
    return cudaSuccess;
}
inline cudaError cudaFree(void* pointer) { std::free(pointer); return cudaSuccess; }
inline cudaError cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind)
{
    if (bytes)
        std::memcpy(to, from, bytes);
    return cudaSuccess;
}
inline cudaError cudaMemset(void* to, int value, size_t bytes) { std::memset(to, value, bytes); return cudaSuccess; }
template <typename T> cudaError cudaMemcpyToSymbol(T& symbol, const void* from, size_t bytes)
{
    std::memcpy((void*)&symbol, from, bytes);
    return cudaSuccess;
}
inline cudaError cudaGetLastError() { const cudaError last = cuda_last_error; cuda_last_error = cudaSuccess; return last; }
inline const char* cudaGetErrorString(cudaError error) { return error ? "invalid configuration" : "no error"; }
inline cudaError cudaSetDevice(int) { return cudaSuccess; }
inline cudaError cudaDeviceSynchronize() { return cudaSuccess; }
inline cudaError cudaDeviceSetLimit(cudaLimit, size_t) { return cudaSuccess; }
inline cudaError cudaGetDeviceProperties(cudaDeviceProp*, int) { return cudaSuccess; }
inline cudaError cudaProfilerStop() { return cudaSuccess; }
inline cudaError cudaMemGetInfo(size_t* free, size_t* total) { *free = *total = (size_t)1 << 34; return cudaSuccess; }
template <typename Kernel> cudaError cudaFuncGetAttributes(cudaFuncAttributes*, Kernel) { return cudaSuccess; }
template <typename Kernel>
cudaError cudaOccupancyMaxPotentialBlockSize(int* blocks, int* threads, Kernel, size_t = 0, int = 0)
{
    *blocks = 2;
    *threads = 64;
    return cudaSuccess;
}
template <typename Kernel>
cudaError cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel, int, size_t)
{
    *blocks = 1;
    return cudaSuccess;
}

namespace thrust {

// Vectors that are not std::vector, so that the two sides cannot be taken for each other.
template <typename T> struct host_vector : std::vector<T>
{
    using std::vector<T>::vector;
    template <typename Other, typename = typename Other::iterator>
    host_vector(const Other& other) : std::vector<T>(other.begin(), other.end()) {}
};
template <typename T> struct device_vector : std::vector<T>
{
    using std::vector<T>::vector;
    template <typename Other, typename = typename Other::iterator>
    device_vector(const Other& other) : std::vector<T>(other.begin(), other.end()) {}
};
template <typename T> T* raw_pointer_cast(T* pointer) { return pointer; }

}  // namespace thrust

#endif
