"""Read the certificate files of a server."""

from __future__ import annotations

import ssl

from facewire_edge.errors import UsageError


def load_tls(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    """Give the context of a certificate and its key, nothing where none is named.

    Raises:
        UsageError: the files cannot be used.

    """
    if certificate is None or key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(
            f"cannot use tls_certificate {certificate} with tls_key {key}: {reason}; expected PEM files that belong "
            "together, the key without a password"
        ) from error
    return context


def _no_password() -> str:
    """Refuse an encrypted key; OpenSSL would ask for the password on the terminal."""
    raise ValueError("the key needs a password")
