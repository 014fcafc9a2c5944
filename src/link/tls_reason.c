#include "link/tls_reason.h"

#include <openssl/x509.h>

const char *tls_reason(int x509_error) { return X509_verify_cert_error_string(x509_error); }
