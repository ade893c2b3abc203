{# Replaces Brian2CUDA's template of this name: code for every unit of a group or every synapse.
   "every" makes it run only in every so many steps. Dense connections have no index: synapses are
   rows of units. #}
{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cu' %}

{% block host_maincode %}
    {% if every > 1 %}
    if ((neuro::first_step() + {{owner.clock.name}}.timestep[0] + 1) % {{every}})
        return;
    {% endif %}
    if (!_N)
        return;  // a kernel cannot run on no threads at all
{% endblock %}

{% block kernel_maincode %}
    {{scalar_code|autoindent}}
    {
        {% set _code = vector_code | join('\n') %}
        {% if dense %}
        {% set _code = _code
            | replace(get_array_name(owner.variables['_synaptic_pre']) ~ '[_idx]', '_idx / ' ~ dense[1])
            | replace(get_array_name(owner.variables['_synaptic_post']) ~ '[_idx]', '_idx % ' ~ dense[1]) %}
        {% endif %}
        {{_code|autoindent}}
    }
{% endblock %}
