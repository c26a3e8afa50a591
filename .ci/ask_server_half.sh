# SPDX-License-Identifier: Apache-2.0
# A server half as deploy/Containerfile.half starts one, asked once with its token and once with
# another. Prints the two answers. For .ci/recipes.py; in an empty folder, with jpki on the path.
set -e
python3 - <<'PY'
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
now = datetime.now(UTC)
own = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
        .public_key(key.public_key()).not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1)).add_extension(own, critical=True)
        .sign(key, hashes.SHA256()))
Path("tls.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
Path("tls.key").write_bytes(key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
PY
jpki kiosk token --out kiosk-01.token
jpki map init --db map.db --policy konbini --trust test --key-file map.keys
jpki kiosk half --host 0.0.0.0 --port 8443 --tls-cert tls.pem --tls-key tls.key \
    --terminal kiosk-01=kiosk-01.token --db map.db --key-file map.keys --policy konbini --trust test &
python3 - <<'PY'
import json, ssl, time, urllib.error, urllib.request
token = open("kiosk-01.token").read().strip()
context = ssl.create_default_context(cafile="tls.pem")
body = json.dumps({"service": "konbini", "purpose": "issue-residence-certificate", "operation": "resolve"})
def ask(word):
    asked = urllib.request.Request("https://127.0.0.1:8443/v1/challenge", body.encode(),
                                   {"Authorization": f"Bearer {word}"})
    try:
        with urllib.request.urlopen(asked, context=context, timeout=10) as reply:
            return reply.status, json.load(reply)["schema"]
    except urllib.error.HTTPError as error:
        return error.code, ""
for _ in range(300):
    try:
        print(*ask(token), *ask("x" * len(token)))
        break
    except urllib.error.URLError:
        time.sleep(0.1)
PY
kill -INT $!
