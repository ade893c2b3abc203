{# Replaces Brian2CUDA's template of this name. A thread belongs to one unit of the other side and
   does the spikes in ascending order, so that additions to a unit keep theirs; Brian2CUDA adds
   with atomics, in any order.
   Dense connections need no index. In sparse ones a thread looks for its unit in the row of each
   spike. Delays are in steps; with one for every synapse, the spikes of each step under way are
   gone through, oldest first, and a synapse takes those of its own delay. #}
{# USES_VARIABLES { N, _synaptic_pre } #}
{% extends 'common_group.cu' %}

{% set _pre = pathway.prepost == 'pre' %}
{% set _code = vector_code | join('\n') %}
{% set _synapses = pathway.synapses.variables %}
{% set _read_pre = get_array_name(_synapses['_synaptic_pre']) ~ '[_idx]' %}
{% set _read_post = get_array_name(_synapses['_synaptic_post']) ~ '[_idx]' %}
{% set _code = _code | replace(_read_pre, '_unit' if _pre else '_other')
                     | replace(_read_post, '_other' if _pre else '_unit') %}
{% set _space = get_array_name(pathway.variables[pathway.eventspace_name], access_data=False) %}

{% block kernel %}
__global__ void _run_kernel_{{codeobj_name}}(
    int _others,
    const int32_t* _units,
    const int32_t* _count,
    {% if dense %}
    size_t _columns,
    {% else %}
    neuro::Rows _rows,
    {% endif %}
    {% if delays %}
    const int32_t* _delays,
    int _age,
    {% endif %}
    ///// KERNEL_PARAMETERS /////
    %KERNEL_PARAMETERS%
    )
{
    using namespace brian;
    ///// KERNEL_CONSTANTS /////
    %KERNEL_CONSTANTS%
    {{kernel_lines|autoindent}}
    const int _other = blockIdx.x * blockDim.x + threadIdx.x;
    if (_other >= _others)
        return;
    int _idx = 0, _vectorisation_idx = 0;
    {{scalar_code|autoindent}}
    const int _spikes = *_count;
    for (int _k = 0; _k < _spikes; _k++) {
        const int _unit = _units[_k];
        {% if dense %}
        const size_t _idx = {{'_unit * _columns + _other' if _pre else '_other * _columns + _unit'}};
        const size_t _vectorisation_idx = _idx;
        {{_code|autoindent}}
        {% else %}
        for (int _at = _rows.find(_unit, _other); _at < _rows.starts[_unit + 1] && _rows.others[_at] == _other; _at++) {
            const size_t _idx = _rows.synapses[_at];
            const size_t _vectorisation_idx = _idx;
            {% if delays %}
            if (_delays[_idx] != _age)
                continue;
            {% endif %}
            {{_code|autoindent}}
        }
        {% endif %}
    }
}
{% endblock %}

{% block prepare_kernel %}
    const int _others = {{others}};
    const int _threads = 128, _blocks = (_others + _threads - 1) / _threads;
    {% if not dense %}
    static const neuro::Rows _rows(
        {{get_array_name(_synapses['_synaptic_pre' if _pre else '_synaptic_post'], access_data=False)}}, {{units}},
        {{get_array_name(_synapses['_synaptic_post' if _pre else '_synaptic_pre'], access_data=False)}});
    {% endif %}
{% endblock %}

{% block kernel_call %}
    {% if delays %}
    {% set _delays = get_array_name(_synapses[delays], access_data=False) %}
    static const int _longest = neuro::longest({{_delays}});
    for (int _age = _longest; _age > 0; _age--) {
    {% else %}
    {
        const int _age = {{delay}};
    {% endif %}
        const int _places = dev{{_space}}.size();
        const int32_t* const _spikes = dev{{_space}}[(current_idx{{_space}} + _places - _age) % _places];
        _run_kernel_{{codeobj_name}}<<<_blocks, _threads>>>(
            _others,
            _spikes,
            _spikes + {{units}},
            {% if dense %}
            {{'_others' if _pre else units}},
            {% else %}
            _rows,
            {% endif %}
            {% if delays %}
            thrust::raw_pointer_cast(dev{{_delays}}.data()),
            _age,
            {% endif %}
            ///// HOST_PARAMETERS /////
            %HOST_PARAMETERS%
        );
        CUDA_CHECK_ERROR("_run_kernel_{{codeobj_name}}");
    }
{% endblock %}
