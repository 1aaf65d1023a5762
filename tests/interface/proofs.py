"""Runs the recipes of docs/proofs.md (tests/interface/proofs) on the proofs in a folder and on forged ones:
proofs.py FOLDER [RECIPE…]

The folder holds keys.json, and for each proof NAME.json (the response to the registration) and NAME.pem (the key that signed it).
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

RECIPES = pathlib.Path(__file__).resolve().parent / "proofs"
PYTHON_PACKAGES = ["pyjwt[crypto]==2.15.1", "joserfc==1.8.0"]
JOSE = "jose@6.2.18"


def encode(raw):
    return base64.urlsafe_b64encode(raw if isinstance(raw, bytes) else json.dumps(raw).encode()).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def openssl(*words, given=b""):
    return subprocess.run(["openssl", *map(str, words)], input=given, capture_output=True, check=True).stdout


def numbers(der):
    """The two numbers of an ECDSA signature, as JWS writes them."""
    first = der[3]
    r, s = der[4 : 4 + first], der[6 + first :]
    return b"".join(number.lstrip(b"\0").rjust(32, b"\0") for number in (r, s))


def sign(pem, header, payload):
    text = f"{encode(header)}.{encode(payload)}"
    digest = {"ES256": "-sha256", "RS256": "-sha256", "RS512": "-sha512", "PS512": "-sha512"}[header["alg"]]
    pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1"] if header["alg"] == "PS512" else []
    signature = openssl("dgst", digest, *pss, "-sign", pem, given=text.encode())
    return f"{text}.{encode(numbers(signature) if header['alg'] == 'ES256' else signature)}"


def flip(raw, place):
    """The bytes with one bit changed."""
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


def tokens(folder):
    """Each token with its name and the payload that a recipe must print; None if the recipe must refuse the token."""
    keys = {key["kid"]: key for key in json.loads((folder / "keys.json").read_text())["keys"]}
    proofs = []
    for answer in sorted(folder.glob("*.json")):
        if answer.name != "keys.json":
            proofs.append((json.loads(answer.read_text())["token"], answer.with_suffix(".pem")))
    algorithms = []
    for token, pem in proofs:
        head, body, signature = token.split(".")
        header, payload, raw = json.loads(decode(head)), json.loads(decode(body)), decode(signature)
        name, key = header["alg"], keys[header["kid"]]
        algorithms.append(name)
        yield f"{name}: as it came", token, payload
        at = decode(body).index(b'"siret"') + 12
        yield f"{name}: a bit of the payload", f"{head}.{encode(flip(decode(body), at))}.{signature}", None
        yield f"{name}: a bit of the signature", f"{head}.{body}.{encode(flip(raw, 17))}", None
        yield f"{name}: the signature cut off", f"{head}.{body}.", None
        yield f"{name}: a signature of zeros", f"{head}.{body}.{encode(bytes(len(raw)))}", None
        yield f"{name}: no signature", f"{head}.{body}", None
        yield f"{name}: a fourth part", f"{token}.{signature}", None
        for none in ("none", "None"):
            yield f"{name}: alg {none}", f"{encode({**header, 'alg': none})}.{body}.", None
        public = openssl("pkey", "-in", pem, "-pubout")
        for what, secret in (("PEM", public), ("JWK", json.dumps(key).encode()), ("no", b"")):
            text = f"{encode({**header, 'alg': 'HS256'})}.{body}"
            yield f"{name}: HMAC with {what} key", f"{text}.{encode(hmac.digest(secret, text.encode(), hashlib.sha256))}", None
        # The following tokens are signed with the registry's own keys: a recipe checks more than the signature.
        yield f"{name}: typ JWT", sign(pem, {**header, "typ": "JWT"}, payload), None
        yield f"{name}: no typ", sign(pem, {"alg": name, "kid": header["kid"]}, payload), None
        yield f"{name}: no kid", sign(pem, {"alg": name, "typ": header["typ"]}, payload), None
        for other in keys.values():
            if other["kid"] != header["kid"]:
                yield f"{name}: kid of another key", sign(pem, {**header, "kid": other["kid"]}, payload), None
        if name == "RS512":
            for alg in ("RS256", "PS512"):
                yield f"{name}: signed as {alg}", sign(pem, {**header, "alg": alg}, payload), None
        else:
            der = openssl("dgst", "-sha256", "-sign", pem, given=f"{head}.{body}".encode())
            yield f"{name}: the signature as DER", f"{head}.{body}.{encode(der)}", None
    assert sorted(algorithms) == ["ES256", "ES256", "RS512"], algorithms
    token, _ = proofs[0]
    head, body, _ = token.split(".")
    header, payload = json.loads(decode(head)), json.loads(decode(body))
    stranger = folder / "stranger.pem"
    stranger.write_bytes(openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))
    point = openssl("pkey", "-in", stranger, "-pubout", "-outform", "DER")[-64:]
    jwk = {"kty": "EC", "crv": "P-256", "x": encode(point[:32]), "y": encode(point[32:])}
    yield "another key: unknown kid", sign(stranger, {**header, "kid": "stranger"}, payload), None
    yield "another key: known kid", sign(stranger, header, payload), None
    yield "another key: in the header", sign(stranger, {**header, "jwk": jwk}, payload), None
    yield "nothing", "", None
    yield "dots", "..", None


def there(*words, env=None):
    if not shutil.which(words[0]):
        return False
    return subprocess.run(words, capture_output=True, env=env, check=False).returncode == 0


def ruby(scratch):
    """The environment of a ruby with the gem jwt, or with Debian's package unpacked into `scratch`; None without either."""
    if there("ruby", "-rjwt", "-e", "1"):
        return os.environ
    gem = "gem install --silent --no-document --install-dir gems jwt --version 2.5.0 2>/dev/null"
    package = "apt-get download -qq ruby-jwt && dpkg-deb -x ruby-jwt_*.deb ruby-jwt"
    subprocess.run(["sh", "-c", f"{gem} || {{ {package}; }}"], cwd=scratch, capture_output=True, check=False)
    found = [str(one.parent) for one in scratch.rglob("jwt.rb")]
    env = {**os.environ, "RUBYLIB": ":".join(found)}
    return env if there("ruby", "-rjwt", "-e", "1", env=env) else None


def recipes(scratch):
    """Each recipe with its command and environment. If the language is missing, the command is the reason to skip the recipe."""
    env = dict(os.environ)
    python = os.environ.get("PROOFS_PYTHON")
    if not python:
        made = there(sys.executable, "-m", "venv", scratch / "venv") and there(
            scratch / "venv/bin/pip", "install", "--quiet", *PYTHON_PACKAGES
        )
        python = str(scratch / "venv/bin/python") if made else None
    for name in ("pyjwt.py", "joserfc_proof.py"):
        yield name, [python, RECIPES / name] if python else "no PyPI", env
    shutil.copy(RECIPES / "jose.mjs", scratch)
    if not (shutil.which("node") and shutil.which("npm")):
        yield "jose.mjs", "no node, or no npm", env
    elif there("npm", "install", "--silent", "--ignore-scripts", "--prefix", scratch, JOSE):
        yield "jose.mjs", ["node", scratch / "jose.mjs"], env
    else:
        yield "jose.mjs", "npm cannot install jose", env
    java = there("javac", "--release", "17", "-d", scratch, RECIPES / "CheckProof.java")
    yield "CheckProof.java", ["java", "-cp", scratch, "CheckProof"] if java else "no javac 17", env
    go = {**env, "GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOCACHE": str(scratch / "go")}
    built = shutil.which("go") and there("go", "build", "-o", scratch / "proof-go", RECIPES / "proof.go", env=go)
    yield "proof.go", [scratch / "proof-go"] if built else "no Go", env
    if shutil.which("go") and not built:
        raise SystemExit("proof.go does not compile")
    gem = ruby(scratch) if shutil.which("ruby") else None
    yield "proof.rb", ["ruby", RECIPES / "proof.rb"] if gem else "no ruby, or no gem jwt", gem
    php = there("php", "-r", "exit(extension_loaded('openssl') && PHP_VERSION_ID >= 80100 ? 0 : 1);")
    yield "proof.php", ["php", RECIPES / "proof.php"] if php else "no PHP 8.1 with openssl", env
    # `cargo test` builds it as an example.
    rust = pathlib.Path(os.environ.get("CEE", "target/debug/cee")).resolve().parent / "examples/proof"
    yield "proof.rs", [rust] if rust.exists() else f"{rust} is not built: cargo test --no-run", env
    shell = all(map(shutil.which, ("openssl", "jq", "xxd")))
    yield "proof.sh", ["bash", RECIPES / "proof.sh"] if shell else "no jq, or no xxd", env


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    cases = list(tokens(folder))
    keys = json.loads((folder / "keys.json").read_text())["keys"]
    # A key set may have any order, and may one day contain a key of an unknown kind.
    backwards = folder / "backwards"
    unknown = {"kty": "XYZ", "kid": "later", "alg": "XYZ", "use": "sig"}
    backwards.write_text(json.dumps({"keys": [unknown, *keys[::-1]]}))
    passed = failed = skipped = 0
    ran = set()
    with tempfile.TemporaryDirectory() as scratch:
        for name, command, env in recipes(pathlib.Path(scratch)):
            ran.add(name)
            if sys.argv[2:] and name not in sys.argv[2:]:
                continue
            if isinstance(command, str):
                print(f"!!! SKIPPED: {name} ({command})")
                skipped += 1
                continue
            wrong = 0
            for file in (folder / "keys.json", backwards):
                for what, token, payload in cases:
                    if file == backwards and payload is None:
                        continue
                    run = subprocess.run([*command, file, token], capture_output=True, text=True, env=env, check=False)
                    if payload is None:
                        right = run.returncode != 0 and run.stdout == ""
                    else:
                        right = run.returncode == 0 and json.loads(run.stdout) == payload
                    passed += right
                    if not right:
                        wrong += 1
                        print(f"{name}: {what}: exit {run.returncode}, printed {run.stdout!r}, {run.stderr[-500:]}")
            failed += wrong
            print(f"{name}: {'wrong' if wrong else 'right'}")
    assert ran == {one.name for one in RECIPES.iterdir()}, "a recipe is not run"
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


main()
