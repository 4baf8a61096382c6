// Turns any C++ exception into a kind and a one-line message.
#include "errors.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <new>
#include <stdexcept>
#include <string_view>

namespace halfway {
namespace {

constexpr size_t kMaxMessageBytes = 600;

struct Words {
  std::string_view phrase;
  ErrorKind kind;
};

// libtorch throws most failures as one class; these phrases tell them apart. The first that occurs decides, so the
// order matters: the rarest and surest come first. A message that says none of them is a TorchError.
constexpr std::array kPhrases = {
    Words{"can't allocate memory", ErrorKind::kOutOfMemory},
    Words{"out of memory", ErrorKind::kOutOfMemory},
    Words{"not enough memory", ErrorKind::kOutOfMemory},
    Words{"torch not compiled with", ErrorKind::kDevice},
    Words{"could not run 'aten::", ErrorKind::kDevice},
    Words{"on the same device", ErrorKind::kDevice},
    Words{"same device as", ErrorKind::kDevice},
    Words{"nvidia driver", ErrorKind::kDevice},
    Words{"cannot initialize cuda", ErrorKind::kDevice},
    Words{"device type", ErrorKind::kDevice},
    Words{"not implemented for", ErrorKind::kDtype},
    Words{"scalar type", ErrorKind::kDtype},
    Words{"scalartype", ErrorKind::kDtype},
    Words{"dtype", ErrorKind::kDtype},
    Words{"result type", ErrorKind::kDtype},
    Words{"same type", ErrorKind::kDtype},
    Words{"data type", ErrorKind::kDtype},
    Words{"only tensors of floating point", ErrorKind::kDtype},
    Words{"floating point", ErrorKind::kDtype},
    Words{"size", ErrorKind::kShape},
    Words{"shape", ErrorKind::kShape},
    Words{"square matri", ErrorKind::kShape},
    Words{"dimension", ErrorKind::kShape},
    Words{"broadcast", ErrorKind::kShape},
    Words{"number of elements", ErrorKind::kShape},
    Words{"out of range", ErrorKind::kShape},
    Words{"out of bounds", ErrorKind::kShape},
    Words{" dim", ErrorKind::kShape},
    Words{"-d ", ErrorKind::kShape},
};

ErrorKind KindByWords(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const Words& words : kPhrases) {
    if (text.find(words.phrase) != std::string::npos) return words.kind;
  }
  return ErrorKind::kTorch;
}

// One line, without libtorch's trailing context, short enough to read.
std::string Tidy(std::string text) {
  for (const char* tail : {"\nException raised from", "\n\n", "\nThis could be because"}) {
    if (const size_t at = text.find(tail); at != std::string::npos) text.resize(at);
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && (text.back() == ' ' || text.back() == '.')) text.pop_back();
  if (text.size() > kMaxMessageBytes) text = text.substr(0, kMaxMessageBytes) + "...";
  return text;
}

}  // namespace

Failure DescribeCurrentException() {
  try {
    throw;
  } catch (const EngineError& error) {
    return {error.kind(), error.what()};
  } catch (const c10::OutOfMemoryError& error) {
    return {ErrorKind::kOutOfMemory, Tidy(error.what_without_backtrace())};
  } catch (const c10::IndexError& error) {
    return {ErrorKind::kShape, Tidy(error.what_without_backtrace())};
  } catch (const c10::Error& error) {
    return {KindByWords(error.what_without_backtrace()), Tidy(error.what_without_backtrace())};
  } catch (const std::bad_alloc&) {
    return {ErrorKind::kOutOfMemory, "the system refused to allocate memory"};
  } catch (const std::length_error&) {
    return {ErrorKind::kShape, "a size is too large for this machine"};
  } catch (const std::exception& error) {
    return {KindByWords(error.what()), Tidy(error.what())};
  } catch (...) {
    return {ErrorKind::kTorch, "internal: an exception of unknown type"};
  }
}

}  // namespace halfway
