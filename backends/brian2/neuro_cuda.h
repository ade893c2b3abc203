// What the program of the target "cuda" needs beside neuro_io.h: moving values between the memory
// of the processor and that of the GPU, lists of spikes, and connections sorted by unit.
#ifndef NEURO_CUDA_H
#define NEURO_CUDA_H

#include "neuro_io.h"
#include "brianlib/cuda_utils.h"
#include <algorithm>
#include <thrust/device_vector.h>
#include <thrust/host_vector.h>

namespace neuro {

template <typename T> void upload(T* device, const T* host, size_t count)
{
    CUDA_SAFE_CALL(cudaMemcpy(device, host, count * sizeof(T), cudaMemcpyHostToDevice));
}

template <typename T> void download(T* host, const T* device, size_t count)
{
    CUDA_SAFE_CALL(cudaMemcpy(host, device, count * sizeof(T), cudaMemcpyDeviceToHost));
}

template <typename T> T* allocate(size_t count)
{
    T* device = nullptr;
    CUDA_SAFE_CALL(cudaMalloc((void**)&device, std::max(count, (size_t)1) * sizeof(T)));
    return device;
}

template <typename T> T* uploaded(const std::vector<T>& host)
{
    T* const device = allocate<T>(host.size());
    upload(device, host.data(), host.size());
    return device;
}

template <typename Vector> int longest(const Vector& delays)
{
    return delays.empty() ? 0 : *std::max_element(delays.begin(), delays.end());
}

// Lists of the spikes of the last steps: that of step k in place (current + k) modulo their number.
// Behind the n units that a list has room for stands how many there are.
template <typename Lists> void make_lists(Lists& lists, int count, int n, const Events& recent, int current)
{
    while ((int)lists.size() < count)
        lists.push_back(allocate<int32_t>(n + 1));
    for (int step = -count + 1; step < 0; step++) {
        std::vector<int32_t> list;
        for (size_t k = 0; k < recent.steps.size(); k++)
            if (recent.steps[k] == step)
                list.push_back(recent.units[k]);
        const int32_t spikes = (int32_t)list.size();
        int32_t* const place = lists[(current + count + step) % count];
        upload(place, list.data(), list.size());
        upload(place + n, &spikes, 1);
    }
}

// How many units spiked in the step before this piece.
inline int32_t last_count(const Events& recent)
{
    return (int32_t)std::count(recent.steps.begin(), recent.steps.end(), -1);
}

// Thresholds put spikes down in any order. Each unit goes where as many as are below it go before.
static __global__ void order(const int32_t* spikes, const int32_t* count, int32_t* ordered)
{
    const int n = *count, k = blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= n)
        return;
    const int32_t unit = spikes[k];
    int below = 0;
    for (int other = 0; other < n; other++)
        below += spikes[other] < unit;
    ordered[below] = unit;
}

static __global__ void copy(const int32_t* from, const int32_t* count, int32_t* to)
{
    const int k = blockIdx.x * blockDim.x + threadIdx.x;
    if (k < *count)
        to[k] = from[k];
}

// Put the spikes of a step into ascending order.
template <int n> void sort_spikes(int32_t* list)
{
    static int32_t* const ordered = allocate<int32_t>(n);
    const int threads = 128, blocks = (n + threads - 1) / threads;
    order<<<blocks, threads>>>(list, list + n, ordered);
    copy<<<blocks, threads>>>(ordered, list + n, list);
    CUDA_CHECK_ERROR("sort_spikes");
}

// Let a function run after another in every step.
template <typename Network> void after(Network& network, void (*first)(), void (*second)())
{
    for (size_t k = 0; k < network.objects.size(); k++)
        if (network.objects[k].second == first) {
            network.objects.insert(network.objects.begin() + k + 1, {network.objects[k].first, second});
            return;
        }
    fail("the program lacks a function");
}

// Synapses of each unit of one side, sorted by the unit on the other; equal ones in their order.
struct Rows
{
    const int32_t *starts, *others, *synapses;
    template <typename Vector> Rows(const Vector& units, int n, const Vector& partners)
    {
        std::vector<int32_t> start(n + 1, 0), other(units.size()), synapse(units.size());
        for (size_t s = 0; s < units.size(); s++)
            start[units[s] + 1]++;
        for (int k = 0; k < n; k++)
            start[k + 1] += start[k];
        std::vector<int32_t> next(start.begin(), start.end() - 1);
        for (size_t s = 0; s < units.size(); s++)
            synapse[next[units[s]]++] = (int32_t)s;
        for (int k = 0; k < n; k++)
            std::stable_sort(synapse.begin() + start[k], synapse.begin() + start[k + 1],
                             [&](int32_t a, int32_t b) { return partners[a] < partners[b]; });
        for (size_t k = 0; k < synapse.size(); k++)
            other[k] = partners[synapse[k]];
        starts = uploaded(start);
        others = uploaded(other);
        synapses = uploaded(synapse);
    }
    // Where the first synapse between two units lies, or would lie.
    __device__ int find(int unit, int other) const
    {
        int low = starts[unit], high = starts[unit + 1];
        while (low < high) {
            const int middle = low + (high - low) / 2;
            if (others[middle] < other)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }
};

// Brian2CUDA records into one vector for each unit; a row of ours is a step.
template <typename T> void write_trace(Writer& output, const thrust::device_vector<T>* units, size_t rows, size_t columns)
{
    std::vector<T> values(rows * columns);
    for (size_t unit = 0; unit < columns; unit++) {
        const thrust::host_vector<T> column = units[unit];
        for (size_t k = 0; k < rows; k++)
            values[k * columns + unit] = column[k];
    }
    output.array(values.data(), values.size());
}

}  // namespace neuro

#endif
