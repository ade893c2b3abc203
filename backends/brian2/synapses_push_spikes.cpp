{# Replaces Brian2's template of this name: the queue holds spiking units, not their synapses.
   Brian2's queue expands each spike into the indices of its synapses when it is pushed. Told that
   unit k has the one synapse k, it hands out units, and synapses.cpp walks their synapses where
   they lie.
   With a delay for every synapse the queue does hold synapses. It gets the delays in steps, as if
   a step were a second long; "early" is 1 where spikes are pushed one step late. #}
{# USES_VARIABLES { _n_sources, _n_targets, delay, _source_dt} #}
{% extends 'common_group.cpp' %}

{% block before_code %}
    const int n_units = {{constant_or_scalar('_n_sources', variables['_n_sources'])}};
    const int n_targets = {{constant_or_scalar('_n_targets', variables['_n_targets'])}};
    {% set delays = owner.template_kwds['delays'] %}
    {% if delays %}
    std::vector<int32_t> delays = {{get_array_name(owner.synapses.variables[delays], access_data=False)}};
    for (int32_t& delay : delays)
        delay -= {{owner.template_kwds['early']}};
    auto& units = {{get_array_name(owner.synapse_sources, access_data=False)}};
    {{owner.name}}.prepare(n_units, n_targets, delays.data(), delays.size(), units.data(), units.size(), 1.0);
    {% else %}
    auto& delays = {{get_array_name(variables['delay'], access_data=False)}};
    std::vector<int32_t> units(n_units);
    for (int k = 0; k < n_units; k++)
        units[k] = k;
    {{owner.name}}.prepare(n_units, n_targets, delays.data(), delays.size(), units.data(), n_units, {{_source_dt}});
    {% endif %}
{% endblock %}

{% block maincode %}
    {% set _eventspace = get_array_name(eventspace_variable) %}
    {{owner.name}}.advance();
    {{owner.name}}.push({{_eventspace}}, {{_eventspace}}[_num{{eventspace_variable.name}}-1]);
{% endblock %}
