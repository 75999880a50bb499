#include "fernet.h"

#include <string.h>

#include "crypto.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// base64 writes the characters of length bytes, and a zero: four for every three bytes, filled up with "=".
static void base64(const uint8_t *bytes, size_t length, char *text) {
  for (size_t i = 0; i < length; i += 3) {
    size_t there = length - i;
    uint32_t group = bytes[i] << 16 | (there > 1 ? bytes[i + 1] << 8 : 0) | (there > 2 ? bytes[i + 2] : 0);
    *text++ = alphabet[group >> 18];
    *text++ = alphabet[group >> 12 & 63];
    *text++ = there > 1 ? alphabet[group >> 6 & 63] : '=';
    *text++ = there > 2 ? alphabet[group & 63] : '=';
  }
  *text = 0;
}

bool fernetKey(const char *text, FernetKey &key) {
  uint8_t bytes[33];
  if (strlen(text) != 44 || text[43] != '=') return false;
  for (int i = 0; i < 11; i++) {
    uint32_t group = 0;
    for (int j = 0; j < 4; j++) {
      char c = text[4 * i + j];
      const char *found = i == 10 && j == 3 ? alphabet : strchr(alphabet, c);  // the last "=" stands for nothing
      if (found == NULL || c == 0) return false;
      group = group << 6 | (uint32_t)(found - alphabet);
    }
    for (int j = 0; j < 3; j++) bytes[3 * i + j] = group >> (16 - 8 * j);
  }
  if (bytes[32] != 0) return false;
  memcpy(key.signing, bytes, 16);
  memcpy(key.encryption, bytes + 16, 16);
  return true;
}

bool fernetSeal(const FernetKey &key, uint64_t seconds, const uint8_t iv[16], const uint8_t *text, size_t length,
                char token[FERNET_MAX_TOKEN + 1]) {
  if (length > FERNET_MAX_TEXT) return false;

  // The text is filled up to whole blocks of 16 bytes. Each byte that fills says how many there are: 1 to 16.
  uint8_t padded[FERNET_MAX_TEXT + 1];
  uint8_t fill = 16 - length % 16;
  memcpy(padded, text, length);
  memset(padded + length, fill, fill);
  length += fill;

  // Version, time, iv, ciphertext, and a MAC over all of them.
  uint8_t bytes[1 + 8 + 16 + sizeof padded + 32];
  bytes[0] = 0x80;
  for (int i = 0; i < 8; i++) bytes[1 + i] = seconds >> (56 - 8 * i);
  memcpy(bytes + 9, iv, 16);
  if (!aesCBC(key.encryption, iv, padded, length, bytes + 25)) return false;
  if (!hmacSHA256(key.signing, bytes, 25 + length, bytes + 25 + length)) return false;
  base64(bytes, 25 + length + 32, token);
  return true;
}
