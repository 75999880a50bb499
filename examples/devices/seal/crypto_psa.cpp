#include "crypto.h"
#ifdef FERNET_PSA

static bool importKey(const uint8_t bytes[16], psa_key_type_t type, psa_algorithm_t algorithm, psa_key_usage_t usage,
                      psa_key_id_t *key) {
  psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
  psa_set_key_type(&attributes, type);
  psa_set_key_algorithm(&attributes, algorithm);
  psa_set_key_usage_flags(&attributes, usage);
  return psa_crypto_init() == PSA_SUCCESS && psa_import_key(&attributes, bytes, 16, key) == PSA_SUCCESS;
}

bool aesCBC(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in, size_t length, uint8_t *out) {
  psa_key_id_t id;
  if (!importKey(key, PSA_KEY_TYPE_AES, PSA_ALG_CBC_NO_PADDING, PSA_KEY_USAGE_ENCRYPT, &id)) return false;
  psa_cipher_operation_t work = PSA_CIPHER_OPERATION_INIT;
  size_t written = 0, rest = 0;
  bool done = psa_cipher_encrypt_setup(&work, id, PSA_ALG_CBC_NO_PADDING) == PSA_SUCCESS &&
              psa_cipher_set_iv(&work, iv, 16) == PSA_SUCCESS &&
              psa_cipher_update(&work, in, length, out, length, &written) == PSA_SUCCESS &&
              psa_cipher_finish(&work, out + written, length - written, &rest) == PSA_SUCCESS && written + rest == length;
  psa_cipher_abort(&work);
  psa_destroy_key(id);
  return done;
}

bool hmacSHA256(const uint8_t key[16], const uint8_t *bytes, size_t length, uint8_t mac[32]) {
  psa_key_id_t id;
  const psa_algorithm_t algorithm = PSA_ALG_HMAC(PSA_ALG_SHA_256);
  if (!importKey(key, PSA_KEY_TYPE_HMAC, algorithm, PSA_KEY_USAGE_SIGN_MESSAGE, &id)) return false;
  size_t written = 0;
  bool done = psa_mac_compute(id, algorithm, bytes, length, mac, 32, &written) == PSA_SUCCESS && written == 32;
  psa_destroy_key(id);
  return done;
}

#endif
