{# Replaces Brian2's template of this name: code for every unit of a group or every synapse, which
   threads share where there are many of them. "every" makes it run only in every so many steps.
   Dense connections have no index: synapses are rows of units. #}
{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    {% if every > 1 %}
    if ((neuro::first_step() + {{owner.clock.name}}.timestep[0] + 1) % {{every}})
        return;
    {% endif %}
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    {% if dense %}
    {% set _code = vector_code | join('\n') %}
    {% set _read_pre = get_array_name(owner.variables['_synaptic_pre']) ~ '[_idx]' %}
    {% set _read_post = get_array_name(owner.variables['_synaptic_post']) ~ '[_idx]' %}
    #pragma omp parallel if (neuro::worthwhile({{dense[0] * dense[1]}}))
    {
        const neuro::Part _part({{dense[0]}});
        for (int _pre = _part.begin; _pre < _part.end; _pre++) {
            #pragma GCC ivdep
            for (int _post = 0; _post < {{dense[1]}}; _post++) {
                const size_t _idx = (size_t)_pre * {{dense[1]}} + _post;
                const size_t _vectorisation_idx = _idx;
                {{_code | replace(_read_pre, '_pre') | replace(_read_post, '_post') | autoindent}}
            }
        }
    }
    {% else %}
    const int _N = {{constant_or_scalar('N', variables['N'])}};
    #pragma omp parallel if (neuro::worthwhile(_N))
    {
        const neuro::Part _part(_N);
        {# each iteration writes only its own elements; GCC gives up beyond ten pairs to check #}
        #pragma GCC ivdep
        for (int _idx = _part.begin; _idx < _part.end; _idx++) {
            const size_t _vectorisation_idx = _idx;
            {{vector_code|autoindent}}
        }
    }
    {% endif %}
{% endblock %}
