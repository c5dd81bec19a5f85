/* libcrypto of OpenSSL 3 (libssl-dev). */
#include <openssl/sha.h>
