// The exception that leaves the reader; parsers inside it return a Fault instead.
#pragma once

#include <exception>
#include <filesystem>
#include <string>
#include <utility>

#include "edf/issue.hpp"

namespace seizurekit::edf {

class Error : public std::exception {
 public:
  Error(std::filesystem::path file, Fault fault) : file_(std::move(file)), fault_(std::move(fault)) {
    message_ = file_.string() + ": " + fault_.field + ": found " + fault_.found + ", wanted " + fault_.wanted;
  }
  const std::filesystem::path& file() const { return file_; }
  const Fault& fault() const { return fault_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::filesystem::path file_;
  Fault fault_;
  std::string message_;
};

}  // namespace seizurekit::edf
