// The exception that leaves the reader. Parsers inside it return a Fault instead.
#pragma once

#include <exception>
#include <filesystem>
#include <utility>

#include "edf/issue.hpp"

namespace seizurekit::edf {

/// A file that is rejected. The bindings raise EdfError from it, which builds the message.
class Error : public std::exception {
 public:
  Error(std::filesystem::path file, Fault fault) : file_(std::move(file)), fault_(std::move(fault)) {}

  const std::filesystem::path& file() const { return file_; }
  const Fault& fault() const { return fault_; }
  const char* what() const noexcept override { return fault_.field.c_str(); }

 private:
  std::filesystem::path file_;
  Fault fault_;
};

}  // namespace seizurekit::edf
