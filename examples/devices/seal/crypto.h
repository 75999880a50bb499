// What a Fernet token is made with. crypto_psa.cpp has it from the board's library, crypto_plain.cpp brings it along.
#pragma once
#include <stddef.h>
#include <stdint.h>

// The PSA Crypto API belongs to Mbed TLS, and so to ESP-IDF and the Arduino core for ESP32; ESP-IDF 6 has no other. Where
// it is not there or not switched on, or FERNET_PLAIN is defined, crypto_plain.cpp is taken.
#if !defined(FERNET_PLAIN) && defined(__has_include)
#if __has_include(<psa/crypto.h>)
#include <psa/crypto.h>
#ifdef MBEDTLS_PSA_CRYPTO_C
#define FERNET_PSA
#endif
#endif
#endif

// aesCBC encrypts whole blocks of 16 bytes with AES-128 in CBC mode; out is another place than in.
bool aesCBC(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in, size_t length, uint8_t *out);

// hmacSHA256 computes the HMAC of bytes with SHA-256.
bool hmacSHA256(const uint8_t key[16], const uint8_t *bytes, size_t length, uint8_t mac[32]);
