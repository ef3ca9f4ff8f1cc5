// A fuzzing driver for compilers without libFuzzer. It runs LLVMFuzzerTestOneInput on a seed corpus, then on random
// mutants of it; mutants that reach new code are added to the corpus. An input that crashes the process or needs too
// much time or memory is written to a file. To run it again, pass the file instead of a corpus.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "coverage.hpp"
#include "mutation.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// A large allocation is a finding: memory must not depend on the claims of a header.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "max_allocation_size_mb=64:allocator_may_return_null=0"; }
extern "C" __attribute__((visibility("default"))) const char* __ubsan_default_options();
extern "C" const char* __ubsan_default_options() { return "print_stacktrace=1"; }

namespace seizurekit::fuzz {
namespace {

constexpr std::string_view usage =
    "usage: [--runs N] [--seconds S] [--seed K] [--max-length BYTES] [--timeout SECONDS] [--findings FOLDER] "
    "CORPUS_FOLDER_OR_FILE...\n";

struct Options {
  std::uint64_t runs = 0;
  std::uint64_t seconds = 0;
  std::uint64_t seed = 1;
  std::uint64_t max_length = 16384;
  std::uint64_t timeout = 10;
  std::filesystem::path findings = ".";
  std::vector<std::filesystem::path> corpus;
};

// The current input, in shared memory that survives a crash of the child process.
class RunningInput {
 public:
  explicit RunningInput(std::size_t capacity) : size_(sizeof(Header) + capacity) {
    void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      throw std::runtime_error("cannot allocate shared memory");
    }
    header_ = static_cast<Header*>(memory);
  }
  RunningInput(const RunningInput&) = delete;
  RunningInput& operator=(const RunningInput&) = delete;
  ~RunningInput() { munmap(header_, size_); }

  void set(std::uint64_t run, std::span<const std::uint8_t> input) {
    header_->run = run;
    header_->length = input.size();
    std::copy(input.begin(), input.end(), bytes());
  }
  std::uint64_t run() const { return header_->run; }
  std::span<const std::uint8_t> input() const { return {bytes(), header_->length}; }

 private:
  struct Header {
    std::uint64_t run;
    std::size_t length;
  };
  std::uint8_t* bytes() const { return reinterpret_cast<std::uint8_t*>(header_ + 1); }

  std::size_t size_;
  Header* header_;
};

void run_one(const Options& options, RunningInput& running, std::uint64_t run, const Bytes& input) {
  running.set(run, input);
  // An exact copy on the heap, so that the sanitizer detects a read past its end.
  const std::vector<std::uint8_t> exact(input.begin(), input.end());
  alarm(static_cast<unsigned>(options.timeout));
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  alarm(0);
}

std::vector<Bytes> read_corpus(const Options& options) {
  std::vector<std::filesystem::path> files;
  for (const auto& place : options.corpus) {
    if (std::filesystem::is_directory(place)) {
      for (const auto& entry : std::filesystem::directory_iterator(place)) {
        files.push_back(entry.path());
      }
    } else {
      files.push_back(place);
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<Bytes> corpus;
  for (const auto& file : files) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) {
      throw std::runtime_error("cannot read " + file.string());
    }
    corpus.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  if (corpus.empty()) {
    throw std::runtime_error("no seed inputs");
  }
  return corpus;
}

std::uint64_t parse_count(std::string_view name, std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw std::invalid_argument(std::string(name) + " is '" + std::string(text) + "', expected an integer");
  }
  return value;
}

Options parse_options(std::span<char*> arguments) {
  Options options;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view name = arguments[i];
    if (!name.starts_with("--")) {
      options.corpus.emplace_back(name);
      continue;
    }
    if (i + 1 == arguments.size()) {
      throw std::invalid_argument(std::string(name) + " has no value");
    }
    const std::string_view value = arguments[++i];
    if (name == "--findings") {
      options.findings = value;
    } else if (name == "--runs") {
      options.runs = parse_count(name, value);
    } else if (name == "--seconds") {
      options.seconds = parse_count(name, value);
    } else if (name == "--seed") {
      options.seed = parse_count(name, value);
    } else if (name == "--max-length") {
      options.max_length = parse_count(name, value);
    } else if (name == "--timeout") {
      options.timeout = parse_count(name, value);
    } else {
      throw std::invalid_argument("unknown option " + std::string(name));
    }
  }
  if (options.corpus.empty()) {
    throw std::invalid_argument("no corpus given");
  }
  return options;
}

// Runs the seeds, then mutants of them, and prints statistics. Numbers of runs include the seeds.
void fuzz(const Options& options, std::vector<Bytes> corpus, RunningInput& running) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  const std::uint64_t seeds = corpus.size();
  for (std::uint64_t run = 0; run < seeds; ++run) {
    run_one(options, running, run, corpus[run]);
    reached_new_code();
  }
  const std::uint64_t limit =
      options.runs == 0 && options.seconds > 0 ? std::numeric_limits<std::uint64_t>::max() : seeds + options.runs;
  Mutator mutator(options.seed, static_cast<std::size_t>(options.max_length));
  std::uint64_t run = seeds;
  for (; run < limit && (options.seconds == 0 || elapsed() < static_cast<double>(options.seconds)); ++run) {
    Bytes input = mutator.mutant(corpus);
    run_one(options, running, run, input);
    if (reached_new_code()) {
      corpus.push_back(std::move(input));
    }
  }
  std::printf("runs %llu, seconds %.1f, corpus %zu, edges %zu\n", static_cast<unsigned long long>(run), elapsed(),
              corpus.size(), edges_reached());
}

std::string cause(int status) {
  if (!WIFSIGNALED(status)) {
    return "exit code " + std::to_string(WEXITSTATUS(status));
  }
  return WTERMSIG(status) == SIGALRM ? "timeout" : "signal " + std::to_string(WTERMSIG(status));
}

void report(const Options& options, const RunningInput& running, int status) {
  const auto path =
      options.findings / ("finding-" + std::to_string(options.seed) + "-" + std::to_string(running.run()));
  std::ofstream stream(path, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(running.input().data()),
               static_cast<std::streamsize>(running.input().size()));
  std::fprintf(stderr, "finding: %s; input: %s\n", cause(status).c_str(), path.c_str());
  for (const std::uint8_t byte : running.input().first(std::min<std::size_t>(running.input().size(), 1024))) {
    std::fprintf(stderr, "%02x", byte);
  }
  std::fprintf(stderr, "\n");
}

// Fuzzes in a child process, so that the input of a crash can be written afterwards.
int fuzz_in_child(const Options& options) {
  std::vector<Bytes> corpus = read_corpus(options);
  std::size_t longest = static_cast<std::size_t>(options.max_length);
  for (const Bytes& seed : corpus) {
    longest = std::max(longest, seed.size());
  }
  RunningInput running(longest);
  const pid_t child = fork();
  if (child == 0) {
    fuzz(options, std::move(corpus), running);
    std::exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) {
    throw std::runtime_error("cannot start a child process");
  }
  if (status == 0) {
    return 0;
  }
  report(options, running, status);
  return 1;
}

}  // namespace
}  // namespace seizurekit::fuzz

int main(int argc, char** argv) {
  using namespace seizurekit::fuzz;
  try {
    const Options options = parse_options({argv, static_cast<std::size_t>(argc)});
    return fuzz_in_child(options);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "%s\n%s", error.what(), usage.data());
    return 2;
  } catch (const std::runtime_error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
