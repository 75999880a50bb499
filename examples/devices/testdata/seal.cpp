// Seals what standard input asks for, a line each: KEY SECONDS IV TEXT, the last two in hexadecimal digits, the text
// behind an "x". It answers a token, or "refused".
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "../seal/fernet.h"

static std::vector<uint8_t> unhex(const std::string &text) {
  std::vector<uint8_t> bytes;
  bytes.reserve(1);  // none have an address, too
  for (size_t i = 0; i + 1 < text.size(); i += 2) bytes.push_back(std::stoi(text.substr(i, 2), nullptr, 16));
  return bytes;
}

int main() {
  std::string name, iv, text;
  uint64_t seconds;
  while (std::cin >> name >> seconds >> iv >> text) {
    FernetKey key;
    char token[FERNET_MAX_TOKEN + 1];
    std::vector<uint8_t> bytes = unhex(text.substr(1));
    bool sealed = fernetKey(name.c_str(), key) &&
                  fernetSeal(key, seconds, unhex(iv).data(), bytes.data(), bytes.size(), token);
    std::puts(sealed ? token : "refused");
  }
}
