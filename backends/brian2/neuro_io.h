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
#ifdef _OPENMP
#include <omp.h>
#endif

namespace neuro {

inline void fail(const std::string& what)
{
    std::fprintf(stderr, "neuro: %s\n", what.c_str());
    std::exit(3);
}

// Steps of the simulation that came before this piece.
inline int64_t& first_step()
{
    static int64_t step = 0;
    return step;
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
    template <typename Vector> void vector(Vector& values, size_t count)
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
    template <typename Times, typename Units> void spikes(const Times& times, const Units& units, double dt)
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

template <typename Vector> void one_to_one(Vector& pre, Vector& post, int n)
{
    for (int32_t i = 0; i < n; i++) {
        pre.push_back(i);
        post.push_back(i);
    }
}

// Threads. Without OpenMP there is one, and the pragmas of the templates mean nothing.
inline int threads()
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

// Whether so many synapses or units are worth the time that it takes to wake the other threads.
inline bool worthwhile(size_t count) { return count >= 32768; }

// The part of the numbers below count that is this thread's; all of them outside parallel regions.
struct Part
{
    int begin, end;
    explicit Part(int count) : begin(0), end(count)
    {
#ifdef _OPENMP
        const int64_t all = omp_get_num_threads(), mine = omp_get_thread_num();
        begin = (int)(count * mine / all);
        end = (int)(count * (mine + 1) / all);
#endif
    }
};

// Synapses of each unit of one side, in ascending order; they come in any order of units. Those of
// one unit lie in pieces by ranges of the units on the other side, so that threads can share them.
class ByUnit
{
    int64_t n_pieces;
    std::vector<int32_t> starts, synapses;
public:
    ByUnit(const std::vector<int32_t>& units, int n, const std::vector<int32_t>& others, int n_others)
        : n_pieces(threads()), starts(n * n_pieces + 1, 0), synapses(units.size())
    {
        const auto piece = [&](size_t s) { return units[s] * n_pieces + others[s] * n_pieces / n_others; };
        for (size_t s = 0; s < units.size(); s++)
            starts[1 + piece(s)]++;
        for (size_t k = 1; k < starts.size(); k++)
            starts[k] += starts[k - 1];
        std::vector<int32_t> next(starts.begin(), starts.end() - 1);
        for (size_t s = 0; s < units.size(); s++)
            synapses[next[piece(s)]++] = (int32_t)s;
    }
    int pieces() const { return (int)n_pieces; }
    // Where a piece of a unit's synapses begins; the piece after the last begins where they end.
    const int32_t* at(int unit, int piece) const { return synapses.data() + starts[unit * n_pieces + piece]; }
    size_t count(const std::vector<int>& units) const
    {
        size_t sum = 0;
        for (const int unit : units)
            sum += at(unit, pieces()) - at(unit, 0);
        return sum;
    }
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

// Push the spikes that are under way as if their steps had just run. Those that had arrived
// before this piece leave the queue again.
template <typename Pathway>
void fill_queue(Pathway& pathway, const Events& recent, int late)
{
    for (int step = recent.steps.empty() ? 0 : recent.steps.front(); step < 0; step++) {
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
