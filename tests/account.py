"""A Google Cloud service account that does not exist, for tests."""

import json
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

EMAIL = "me@p.iam.gserviceaccount.com"


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    """Returns a private key in PEM format."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write_account(folder: Path, *, token_uri: str) -> Path:
    """Writes a credentials file for `GOOGLE_APPLICATION_CREDENTIALS`, with a new private key."""
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": private_pem(rsa.generate_private_key(65537, 2048)).decode(),
        "client_email": EMAIL,
        "token_uri": token_uri,
    }
    path = folder / "account.json"
    path.write_text(json.dumps(account))
    return path
