{# Replaces Brian2CUDA's template of this name: pathways have no queue (see synapses.cu), and nothing
   to make or to free on the GPU. #}
{% macro cu_file() %}
{% endmacro %}

{% macro h_file() %}
#ifndef NEURO_SYNAPSES_CLASSES_H
#define NEURO_SYNAPSES_CLASSES_H

#include <algorithm>
#include <stdint.h>
#include <string>
#include <vector>

using namespace std;  // as headers of Brian2CUDA do

struct SynapticPathway
{
    __device__ void init(int32_t*, int32_t*, double, int32_t, int32_t) {}
    __device__ void destroy() {}
};

#endif
{% endmacro %}
