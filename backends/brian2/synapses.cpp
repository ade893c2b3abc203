{# Replaces Brian2's template of this name: for each unit that comes out of the queue (see
   synapses_push_spikes.cpp), its synapses in ascending order.
   Dense connections need no index: their synapses are a row or a column of the weight array, and
   the iterations of the inner loop touch different elements, which the compiler may be told.
   Sparse ones are sorted by unit once, when the first spike comes.
   With a delay for every synapse the queue holds synapses, in the order of their spikes.
   Threads share the units of the other side: each does all spikes for its own part of them, so
   that additions to a unit keep their order. #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
#include "synapses_classes.h"
{% endblock %}

{% block maincode %}
    {# USES_VARIABLES { _synaptic_pre } #}
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    {% set _code = vector_code | join('\n') %}
    {% set _synapses = pathway.synapses.variables %}
    const std::vector<int>& _units = *{{pathway.name}}.peek();
    if (_units.empty())
        return;
    {% if delays %}
    for (const int _synapse : _units) {
        const size_t _idx = _synapse;
        const size_t _vectorisation_idx = _idx;
        {{_code|autoindent}}
    }
    {% elif dense %}
    {% set _read_pre = get_array_name(_synapses['_synaptic_pre']) ~ '[_idx]' %}
    {% set _read_post = get_array_name(_synapses['_synaptic_post']) ~ '[_idx]' %}
    const int _others = {{pathway.name}}.Ntarget;
    {# not as a literal: GCC vectorises a stride that it does not know, but not one that it does #}
    const size_t _columns = {{pathway.name}}.{{'Ntarget' if pathway.prepost == 'pre' else 'Nsource'}};
    #pragma omp parallel if (neuro::worthwhile(_units.size() * _others))
    {
        const neuro::Part _part(_others);
        for (const int _unit : _units) {
            #pragma GCC ivdep
            for (int _other = _part.begin; _other < _part.end; _other++) {
                {% if pathway.prepost == 'pre' %}
                const size_t _idx = _unit * _columns + _other;
                const size_t _vectorisation_idx = _idx;
                {{_code | replace(_read_pre, '_unit') | replace(_read_post, '_other') | autoindent}}
                {% else %}
                const size_t _idx = _other * _columns + _unit;
                const size_t _vectorisation_idx = _idx;
                {{_code | replace(_read_pre, '_other') | replace(_read_post, '_unit') | autoindent}}
                {% endif %}
            }
        }
    }
    {% else %}
    static neuro::ByUnit _by_unit(
        {{get_array_name(pathway.synapse_sources, access_data=False)}}, {{pathway.name}}.Nsource,
        {{get_array_name(pathway.synapse_targets, access_data=False)}}, {{pathway.name}}.Ntarget);
    #pragma omp parallel if (neuro::worthwhile(_by_unit.count(_units)))
    {
        const neuro::Part _part(_by_unit.pieces());
        for (const int _unit : _units) {
            const int32_t* const _end = _by_unit.at(_unit, _part.end);
            for (const int32_t* _synapse = _by_unit.at(_unit, _part.begin); _synapse != _end; _synapse++) {
                const size_t _idx = *_synapse;
                const size_t _vectorisation_idx = _idx;
                {{_code|autoindent}}
            }
        }
    }
    {% endif %}
{% endblock %}
