{# Replaces Brian2's template of this name. Few units spike in a step, so a stretch of them is first
   tested without branches, several at once; only where one spikes are they looked at one by one. #}
{# USES_VARIABLES { N } #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    {% set _spikes = get_array_name(eventspace_variable) %}
    const int _N = {{constant_or_scalar('N', variables['N'])}}, _stretch = 64;
    int _count = 0;
    for (int _begin = 0; _begin < _N; _begin += _stretch) {
        const int _end = _begin + _stretch < _N ? _begin + _stretch : _N;
        int _any = 0;
        #pragma GCC ivdep
        for (int _idx = _begin; _idx < _end; _idx++) {
            const size_t _vectorisation_idx = _idx;
            {{vector_code|autoindent}}
            _any |= _cond;
        }
        if (!_any)
            continue;
        for (int _idx = _begin; _idx < _end; _idx++) {
            const size_t _vectorisation_idx = _idx;
            {{vector_code|autoindent}}
            if (_cond)
                {{_spikes}}[_count++] = _idx;
        }
    }
    {{_spikes}}[_N] = _count;
{% endblock %}

{% block after_code %}
    {{get_array_name(eventspace_variable)}}[{{constant_or_scalar('N', variables['N'])}}] = 0;
{% endblock %}
