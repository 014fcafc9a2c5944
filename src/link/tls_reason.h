/* Why OpenSSL refused a certificate. A header of its own, because OpenSSL's names (ERR_STATE) clash with ours. */
#pragma once

/* Text for an X509_V_ERR_* number, such as "certificate has expired". */
const char *tls_reason(int x509_error);
