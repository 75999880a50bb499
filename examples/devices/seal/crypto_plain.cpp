#include "crypto.h"
#ifndef FERNET_PSA

#include <string.h>

// AES-128 (FIPS 197). The state is 16 bytes, column by column. It looks up its S-box in memory, so somebody who can
// measure the board's cache learns from it: where a library is there, take the library.

static uint8_t sbox[256];

// twice multiplies by x in the field of 256 elements.
static uint8_t twice(uint8_t a) { return a << 1 ^ (a & 0x80 ? 0x1b : 0); }

static uint8_t rotated(uint8_t a, int by) { return a << by | a >> (8 - by); }

// makeSbox goes through all elements p by multiplying with 3, and holds their inverse q by dividing by 3.
static void makeSbox() {
  uint8_t p = 1, q = 1;
  do {
    p ^= twice(p);
    q ^= q << 1;
    q ^= q << 2;
    q ^= q << 4;
    if (q & 0x80) q ^= 0x09;
    sbox[p] = q ^ rotated(q, 1) ^ rotated(q, 2) ^ rotated(q, 3) ^ rotated(q, 4) ^ 0x63;
  } while (p != 1);
  sbox[0] = 0x63;  // 0 has no inverse
}

// nextKey makes the key of the next round.
static void nextKey(uint8_t key[16], uint8_t constant) {
  for (int i = 0; i < 4; i++) key[i] ^= sbox[key[12 + (i + 1) % 4]];
  key[0] ^= constant;
  for (int i = 4; i < 16; i++) key[i] ^= key[i - 4];
}

static void encryptBlock(const uint8_t key[16], uint8_t state[16]) {
  uint8_t round[16], constant = 1;
  memcpy(round, key, 16);
  for (int i = 0; i < 16; i++) state[i] ^= round[i];
  for (int n = 1; n <= 10; n++) {
    uint8_t t[16];
    for (int i = 0; i < 16; i++) t[i] = sbox[state[(i + 4 * (i % 4)) % 16]];  // row r moves by r columns
    for (int c = 0; c < 16 && n < 10; c += 4) {                               // the last round mixes no columns
      uint8_t first = t[c], all = t[c] ^ t[c + 1] ^ t[c + 2] ^ t[c + 3];
      for (int r = 0; r < 4; r++) {
        uint8_t below = r < 3 ? t[c + r + 1] : first;
        t[c + r] ^= all ^ twice(t[c + r] ^ below);
      }
    }
    nextKey(round, constant);
    constant = twice(constant);
    for (int i = 0; i < 16; i++) state[i] = t[i] ^ round[i];
  }
}

bool aesCBC(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in, size_t length, uint8_t *out) {
  makeSbox();
  for (size_t at = 0; at < length; at += 16) {
    const uint8_t *before = at == 0 ? iv : out + at - 16;
    for (int i = 0; i < 16; i++) out[at + i] = in[at + i] ^ before[i];
    encryptBlock(key, out + at);
  }
  return true;
}

// SHA-256 (FIPS 180-4).

static const uint32_t rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

struct SHA256 {
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint8_t block[64];
  uint64_t length = 0;

  static uint32_t turn(uint32_t x, int by) { return x >> by | x << (32 - by); }

  void compress() {
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++) {
      const uint8_t *b = block + 4 * i;
      w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (int i = 16; i < 64; i++) {
      uint32_t a = w[i - 15], b = w[i - 2];
      w[i] = w[i - 16] + w[i - 7] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
      uint32_t a = s[0], e = s[4];
      uint32_t one = s[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + rounds[i] + w[i];
      uint32_t two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
      memmove(s + 1, s, 7 * sizeof s[0]);
      s[4] += one;
      s[0] = one + two;
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
  }

  void add(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
      block[length++ % 64] = bytes[i];
      if (length % 64 == 0) compress();
    }
  }

  // finish adds a one, zeros, and the length in bits.
  void finish(uint8_t hash[32]) {
    uint64_t bits = 8 * length;
    const uint8_t one = 0x80, zero = 0;
    add(&one, 1);
    while (length % 64 != 56) add(&zero, 1);
    for (int i = 56; i >= 0; i -= 8) {
      uint8_t part = bits >> i;
      add(&part, 1);
    }
    for (int i = 0; i < 32; i++) hash[i] = state[i / 4] >> (24 - 8 * (i % 4));
  }
};

// HMAC (RFC 2104): a hash of the key and a hash of the key and the bytes.
bool hmacSHA256(const uint8_t key[16], const uint8_t *bytes, size_t length, uint8_t mac[32]) {
  uint8_t inner[64], outer[64];
  for (int i = 0; i < 64; i++) {
    uint8_t k = i < 16 ? key[i] : 0;
    inner[i] = k ^ 0x36;
    outer[i] = k ^ 0x5c;
  }
  SHA256 first, second;
  first.add(inner, 64);
  first.add(bytes, length);
  first.finish(mac);
  second.add(outer, 64);
  second.add(mac, 32);
  second.finish(mac);
  return true;
}

#endif
