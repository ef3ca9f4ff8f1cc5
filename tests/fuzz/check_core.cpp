// Runs the threaded parts of the core on inputs of many shapes, compiled with sanitizers. Exits with 0, or aborts.
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <stdexcept>
#include <vector>

#include "require.hpp"
#include "support/isa.hpp"
#include "support/parallel_for.hpp"

namespace {

using seizurekit::fuzz::require;

void check_that_every_iteration_runs_once() {
  for (const std::size_t threads : {0, 1, 2, 3, 8}) {
    for (const std::size_t count : {0, 1, 2, 7, 1000}) {
      std::vector<int> ran(count);
      seizurekit::parallel_for(count, threads, [&](std::size_t i) { ran[i] += 1; });
      for (const int times : ran) {
        require(times == 1);
      }
    }
  }
}

void check_that_the_first_exception_is_thrown() {
  for (const std::size_t threads : {1, 2, 5}) {
    for (int round = 0; round < 50; ++round) {
      std::atomic<int> ran{0};
      bool caught = false;
      try {
        seizurekit::parallel_for(100, threads, [&](std::size_t i) {
          ++ran;
          if (i % 7 == 3) {
            throw std::runtime_error("planned");
          }
        });
      } catch (const std::runtime_error&) {
        caught = true;
      }
      require(caught && ran.load() >= 1 && ran.load() <= 100);
    }
  }
}

void check_that_loops_nest() {
  std::atomic<int> sum{0};
  seizurekit::parallel_for(
      4, 2, [&](std::size_t) { seizurekit::parallel_for(5, 2, [&](std::size_t i) { sum += static_cast<int>(i); }); });
  require(sum.load() == 40);
}

}  // namespace

void check_ops();
void check_reading();
void check_signal();

int main() {
  check_that_every_iteration_runs_once();
  check_that_the_first_exception_is_thrown();
  check_that_loops_nest();
  for (const seizurekit::Isa isa : seizurekit::available_isas()) {
    seizurekit::use_isa(isa);
    check_ops();
    check_reading();
    check_signal();
  }
  std::puts("checks passed");
  return 0;
}
