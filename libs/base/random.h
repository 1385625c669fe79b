// Randomness for ids. Not for keys or secrets that must resist an attacker, except RandomToken.
#pragma once

#include <cstddef>
#include <string>

namespace weir {

// A version-4 UUID in its 36-character lower-case form. Thread-safe; one call costs about 100 ns.
std::string RandomUuid();

// `bytes` bytes from the operating system's secure generator, in hexadecimal. Thread-safe.
std::string RandomToken(size_t bytes);

}  // namespace weir
