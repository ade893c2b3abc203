{# Replaces Brian2CUDA's template of this name: there are no queues. Spikes stay where the threshold
   has put them, one list a step, for as many steps as the longest delay; synapses.cu reads there. #}
{# USES_VARIABLES { N } #}
{% extends 'common_group.cu' %}

{% block kernel %}
{% endblock %}

{% block define_N %}
{% endblock %}

{% block prepare_kernel %}
{% endblock %}

{% block kernel_call %}
{% endblock %}
