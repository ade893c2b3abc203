// What the generated program needs beside Brian2's own code: reading the state, the connections
// and the spikes of a piece, filling the spike queues, progress, and writing the results.
#ifndef NEURO_IO_H
#define NEURO_IO_H

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>
#include <sys/time.h>
#include <unistd.h>

namespace neuro {

inline void fail(const std::string& what)
{
    std::fprintf(stderr, "neuro: %s\n", what.c_str());
    std::exit(3);
}

// Events of one population: steps and units of equal length, sorted by step, then unit.
struct Events
{
    std::vector<int32_t> steps, units;
};

class Reader
{
    FILE* file;
public:
    explicit Reader(const std::string& path) : file(std::fopen(path.c_str(), "rb"))
    {
        if (!file) fail("cannot open " + path);
    }
    ~Reader() { std::fclose(file); }
    template <typename T> void array(T* values, size_t count)
    {
        if (count && std::fread(values, sizeof(T), count, file) != count)
            fail("the input file is too short");
    }
    int64_t integer()
    {
        int64_t value;
        array(&value, 1);
        return value;
    }
    template <typename T> void vector(std::vector<T>& values, size_t count)
    {
        values.resize(count);
        array(values.data(), count);
    }
    void events(Events& events)
    {
        const size_t count = (size_t)integer();
        vector(events.steps, count);
        vector(events.units, count);
    }
};

class Writer
{
    FILE* file;
public:
    explicit Writer(const std::string& path) : file(std::fopen(path.c_str(), "wb"))
    {
        if (!file) fail("cannot write " + path);
    }
    template <typename T> void array(const T* values, size_t count)
    {
        if (count && std::fwrite(values, sizeof(T), count, file) != count)
            fail("cannot write the results; is the disk full?");
    }
    template <typename T> void spikes(const std::vector<T>& times, const std::vector<int32_t>& units, double dt)
    {
        const int64_t count = (int64_t)units.size();
        std::vector<int32_t> steps(units.size());
        for (size_t k = 0; k < steps.size(); k++)
            steps[k] = (int32_t)(times[k] / dt + 0.5);
        array(&count, 1);
        array(steps.data(), steps.size());
        array(units.data(), units.size());
    }
    template <typename Matrix> void trace(Matrix& values, size_t rows, size_t columns)
    {
        for (size_t k = 0; k < rows && columns; k++)
            array(&values(k, 0), columns);
    }
    void close()
    {
        if (std::fclose(file)) fail("cannot write the results; is the disk full?");
    }
};

inline void one_to_one(std::vector<int32_t>& pre, std::vector<int32_t>& post, int n)
{
    for (int32_t i = 0; i < n; i++) {
        pre.push_back(i);
        post.push_back(i);
    }
}

// Synapses of each unit of one side, in ascending order; they come in any order of units.
class ByUnit
{
    std::vector<int32_t> starts, synapses;
public:
    ByUnit(const std::vector<int32_t>& units, int n) : starts(n + 1, 0), synapses(units.size())
    {
        for (const int32_t unit : units)
            starts[unit + 1]++;
        for (int k = 0; k < n; k++)
            starts[k + 1] += starts[k];
        std::vector<int32_t> next(starts.begin(), starts.end() - 1);
        for (size_t s = 0; s < units.size(); s++)
            synapses[next[units[s]]++] = (int32_t)s;
    }
    const int32_t* begin(int unit) const { return synapses.data() + starts[unit]; }
    const int32_t* end(int unit) const { return synapses.data() + starts[unit + 1]; }
};

// Units that spiked in the last step before this piece, for queues that have yet to take them up.
inline void last_spikes(const Events& recent, int32_t* eventspace, int n)
{
    int32_t count = 0;
    for (size_t k = 0; k < recent.steps.size(); k++)
        if (recent.steps[k] == -1)
            eventspace[count++] = recent.units[k];
    eventspace[n] = count;
}

// Push the spikes that are under way as if their steps had just run.
template <typename Pathway>
void fill_queue(Pathway& pathway, const Events& recent, int lag, int late)
{
    for (int step = -lag; step < 0; step++) {
        std::vector<int32_t> units;
        for (size_t k = 0; k < recent.steps.size(); k++)
            if (recent.steps[k] == step - late)
                units.push_back(recent.units[k]);
        pathway.advance();
        pathway.push(units.data(), (int)units.size());
    }
}

// Ten times a second, the number of steps done goes to the parent, without a look at the clock
// in the loop: a timer signal sends it.
static int progress_pipe = -1;
static volatile int64_t* progress_step = nullptr;

inline void send_progress(int)
{
    const int64_t step = *progress_step;
    if (write(progress_pipe, &step, sizeof step) < 0)
        progress_pipe = -1;
}

inline void progress(int pipe, int64_t* step, bool on)
{
    progress_pipe = pipe;
    progress_step = step;
    std::signal(SIGPIPE, SIG_IGN);
    struct sigaction action = {};
    action.sa_handler = on ? send_progress : SIG_IGN;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, nullptr);
    const struct timeval period = {0, on ? 100000 : 0};
    const struct itimerval timer = {period, period};
    setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace neuro

#endif
