// Failures on their way to TypeScript. A kind becomes a class there (src/errors.ts holds the same numbers); a message
// never has a C++ backtrace.
#pragma once

#include <c10/util/StringUtil.h>

#include <exception>
#include <string>
#include <utility>

namespace halfway {

// Which error class TypeScript throws. The order is that of `errorClasses` in src/errors.ts.
enum class ErrorKind { kTorch = 0, kShape, kDtype, kDevice, kOutOfMemory, kDisposed };

// A failure found by our own checks.
class EngineError final : public std::exception {
 public:
  EngineError(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}
  ErrorKind kind() const { return kind_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorKind kind_;
  std::string message_;
};

// Throws an EngineError whose message is the parts put together.
template <typename... Parts>
[[noreturn]] void Fail(ErrorKind kind, const Parts&... parts) {
  throw EngineError(kind, c10::str(parts...));
}

struct Failure {
  ErrorKind kind;
  std::string message;
};

// What went wrong, from inside a catch block: our own errors as they are, libtorch's by type and, where the type says
// nothing, by its words; everything else as a plain failure. Never throws on.
Failure DescribeCurrentException();

}  // namespace halfway
