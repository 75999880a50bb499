// Fernet tokens (https://github.com/fernet/spec) made on the board itself, so that nobody on the way reads the values.
#pragma once
#include <stddef.h>
#include <stdint.h>

// A key has 16 bytes that sign and 16 bytes that encrypt.
struct FernetKey {
  uint8_t signing[16];
  uint8_t encryption[16];
};

// A field of a channel holds 255 characters, which is the token of a text of at most 127 bytes.
const size_t FERNET_MAX_TEXT = 127;
const size_t FERNET_MAX_TOKEN = 248;

// fernetKey reads the 44 characters that "fernpost key generate" prints. It returns false if they are no key.
bool fernetKey(const char *text, FernetKey &key);

// fernetSeal writes the token of a text, with a zero behind it. The token says in clear when it was made, in seconds since
// 1970. The iv has to be random, and another one for each token. It returns false if the text is too long.
bool fernetSeal(const FernetKey &key, uint64_t seconds, const uint8_t iv[16], const uint8_t *text, size_t length,
                char token[FERNET_MAX_TOKEN + 1]);
