#!/usr/bin/env python3
"""Makes the vectors of the vault (schema/vectors/vault/*.json) with other people's cryptography.

Nothing here is shared with the Rust code: Argon2 is the reference implementation (argon2-cffi), XChaCha20-Poly1305 is
PyCryptodome's, Ed25519 and X25519 are OpenSSL's (cryptography), ML-KEM is kyber-py, SPAKE2 is that of magic-wormhole, BIP39 is
the mnemonic package, zstd and MessagePack their own Python packages. The layouts are written down a second time, from the specification.

    tests/vectors/vault.py --check    compute everything and compare with the files
    tests/vectors/vault.py --write    compute everything and write the files

Packages that are missing are installed into a temporary folder and removed with it.
"""

import hashlib
import hmac
import sys
import unicodedata

import common

NEEDS = ["argon2", "blake3", "Crypto", "cryptography", "kyber_py", "mnemonic", "msgpack", "spake2", "zstandard"]


# Primitives.


def drawn(label, length):
    """Bytes that look random and are the same every time."""
    return hashlib.shake_256(b"caro vault vectors: " + label.encode()).digest(length)


def extract(salt, key):
    return hmac.new(salt, key, hashlib.sha256).digest()


def expand(key, info, length):
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

    return HKDFExpand(algorithm=SHA256(), length=length, info=info).derive(key)


def labelled(key, label, context):
    return expand(key, b"caro/v1/" + label + b"\0" + len(context).to_bytes(2, "big") + context, 32)


def argon2id(password, salt):
    from argon2.low_level import Type, hash_secret_raw

    return hash_secret_raw(
        password, salt, time_cost=3, memory_cost=64 * 1024, parallelism=4, hash_len=32, type=Type.ID, version=0x13
    )


def keyed(key, *parts):
    from blake3 import blake3

    return blake3(b"".join(parts), key=key).digest()


def blake(data):
    from blake3 import blake3

    return blake3(data).digest()


def blake_long(data, length):
    from blake3 import blake3

    return blake3(data).digest(length=length)


def seal_raw(key, nonce, bound, plain):
    from Crypto.Cipher import ChaCha20_Poly1305

    assert len(nonce) == 24, "a nonce of another length would be another cipher"
    cipher = ChaCha20_Poly1305.new(key=key, nonce=nonce)
    cipher.update(bound)
    ciphertext, tag = cipher.encrypt_and_digest(plain)
    return ciphertext + tag


def ed25519_public(seed):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def x25519(secret, point=None):
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    key = X25519PrivateKey.from_private_bytes(secret)
    if point is None:
        return key.public_key().public_bytes_raw()
    return key.exchange(X25519PublicKey.from_public_bytes(point))


# X-Wing, from draft-connolly-cfrg-xwing-kem.


def xwing_expand(seed):
    from kyber_py.ml_kem import ML_KEM_768

    expanded = hashlib.shake_256(seed).digest(96)
    public_m, secret_m = ML_KEM_768.key_derive(expanded[:64])
    secret_x = expanded[64:]
    return secret_m, secret_x, public_m, x25519(secret_x)


def xwing_public(seed):
    _, _, public_m, public_x = xwing_expand(seed)
    return public_m + public_x


def xwing_combine(shared_m, shared_x, point, public_x):
    return hashlib.sha3_256(shared_m + shared_x + point + public_x + b"\\.//^\\").digest()


def xwing_encapsulate(public, random):
    from kyber_py.ml_kem import ML_KEM_768

    public_m, public_x = public[:1184], public[1184:]
    # The package draws its own randomness; its inner function (FIPS 203, algorithm 17) takes ours.
    shared_m, ciphertext_m = ML_KEM_768._encaps_internal(public_m, random[:32])
    point = x25519(random[32:])
    shared = xwing_combine(shared_m, x25519(random[32:], public_x), point, public_x)
    return ciphertext_m + point, shared


def xwing_decapsulate(seed, ciphertext):
    from kyber_py.ml_kem import ML_KEM_768

    secret_m, secret_x, _, public_x = xwing_expand(seed)
    shared_m = ML_KEM_768.decaps(secret_m, ciphertext[:1088])
    point = ciphertext[1088:]
    return xwing_combine(shared_m, x25519(secret_x, point), point, public_x)


# The files.


def phrases():
    """BIP39's published phrases are in the package's own tests; here are one of each length and two of those."""
    from mnemonic import Mnemonic

    english = Mnemonic("english")
    entropies = [bytes([0x7F] * 16), bytes([0x80] * 32)]
    entropies += [drawn(f"entropy {length}", length) for length in (16, 20, 24, 28, 32)]
    cases = []
    for entropy in entropies:
        words = english.to_mnemonic(entropy)
        assert bytes(english.to_entropy(words)) == entropy
        cases.append({"words": words, "entropy": entropy})
    return cases


def mistyped():
    """The word of the list that is nearest to a typed one: fewest edits, then longest common start, then list order."""
    from mnemonic import Mnemonic

    words = Mnemonic("english").wordlist
    typed = ["abandom", "lettuc", "monky", "zoologist", "ab", "", "q", "sausge", "yelow", "exhuast", "wrlod", "1wave"]

    def rank(text, word):
        start = 0
        while start < min(len(text), len(word)) and text[start] == word[start]:
            start += 1
        return edits(text, word), -start, words.index(word)

    return [{"typed": text, "nearest": min(words, key=lambda word: rank(text, word))} for text in typed]


def edits(one, two):
    """Levenshtein's distance, by its definition."""
    from functools import cache

    @cache
    def rest(i, j):
        if i == len(one) or j == len(two):
            return len(one) - i + len(two) - j
        same = rest(i + 1, j + 1) + (one[i] != two[j])
        return min(same, rest(i + 1, j) + 1, rest(i, j + 1) + 1)

    return rest(0, 0)


def schedule():
    """Every key that follows from a phrase."""
    return [account(bytes([0x7F] * 16)), account(drawn("entropy 32", 32))]


def account(entropy):
    password = b"caro/v1/phrase" + bytes([len(entropy)]) + entropy
    stretched = argon2id(password, hashlib.sha256(b"caro/v1/argon2id").digest()[:16])
    root = extract(b"caro/v1/root", stretched)
    account_seed = labelled(root, b"account-sign", b"")
    account_public = ed25519_public(account_seed)
    relays = []
    for number in (1, 2):
        relay = drawn(f"relay {number}", 32)
        seed = labelled(root, b"relay-account", relay)
        public = ed25519_public(seed)
        relays.append({"relay": relay, "seed": seed, "public": public, "handle": blake(public)[:16]})
    epochs = [
        {"number": number, **cell_key(labelled(root, b"epoch", number.to_bytes(4, "big")))}
        for number in (0, 1, 2, 258, 4294967295)
    ]
    return {
        "entropy": entropy,
        "stretched": stretched,
        "root": root,
        "account_seed": account_seed,
        "account_public": account_public,
        "dataset": hashlib.sha256(b"caro/v1/dataset" + account_public).digest(),
        "relays": relays,
        "epochs": epochs,
        "key_log": cell_key(labelled(root, b"keylog", b"")),
    }


def cell_key(key):
    return {"key": key, "id": expand(key, b"kid", 8), "nonce_key": expand(key, b"nonce", 32)}


CLASSES = {"op": 1, "key-log": 2, "snapshot": 3, "attest": 4}


def cells():
    """One cell of each class, and the lengths around the edges of a bucket."""
    cases = []
    for name in CLASSES:
        cases.append(cell(name, drawn(f"plain {name}", 200)))
    for length in (0, 1, 938, 939, 1962, 1963):
        cases.append(cell("op", drawn(f"plain {length}", length)))
    # The largest is given by how it is made and by its id.
    longest = cell("op", blake_long(b"caro vault vectors: longest", 65450))
    del longest["plain"], longest["cell"]
    cases.append({**longest, "plain_blake3_of": "caro vault vectors: longest", "plain_length": 65450})
    return cases


def cell(class_name, plain):
    label = f"{class_name} {len(plain)}"
    key, dataset = cell_key(drawn("epoch key", 32)), drawn("dataset", 32)
    op_id, random = drawn(f"op id {label}", 32), drawn(f"random {label}", 32)
    nonce = keyed(key["nonce_key"], random, op_id)[:24]
    both = expand(extract(nonce, key["key"]), b"caro/v1/seal", 64)
    size = 1024
    while size < len(plain) + 86:
        size *= 2
    padded = len(plain).to_bytes(4, "big") + plain
    padded += bytes(size - 82 - len(padded))
    bound = b"caro/v1/cell" + b"\1\1" + key["id"] + dataset + bytes([CLASSES[class_name]])
    sealed = b"\1\1" + key["id"] + nonce + both[32:] + seal_raw(both[:32], nonce, bound, padded)
    assert len(sealed) == size
    return {
        "class": class_name,
        "key": key["key"],
        "dataset": dataset,
        "op_id": op_id,
        "random": random,
        "plain": plain,
        "nonce": nonce,
        "commit": both[32:],
        "cell_id": blake(sealed),
        "cell": sealed,
    }


def device():
    """A device's keys from its seeds, epoch keys wrapped to it, and the state that it keeps."""
    seeds = drawn("device", 96)
    signing, kem, root = seeds[:32], seeds[32:64], extract(b"caro/v1/device", seeds[64:])
    device_id, kem_public = ed25519_public(signing), xwing_public(kem)
    relays = []
    for number in (1, 2):
        relay = drawn(f"relay {number}", 32)
        secret = labelled(root, b"relay-static", relay)
        relays.append({"relay": relay, "secret": secret, "public": x25519(secret)})
    dataset = drawn("dataset", 32)
    wraps = [wrap(device_id, kem, dataset, number) for number in (0, 1, 4294967295)]
    return {
        "seeds": seeds,
        "device": device_id,
        "kem_public": kem_public,
        "relays": relays,
        "dataset": dataset,
        "wraps": wraps,
        "state": state(seeds),
    }


def wrap(device_id, kem_seed, dataset, number):
    epoch_key, random = drawn(f"wrapped key {number}", 32), drawn(f"encapsulation {number}", 64)
    encapsulated, shared = xwing_encapsulate(xwing_public(kem_seed), random)
    assert xwing_decapsulate(kem_seed, encapsulated) == shared
    bound = b"caro/v1/wrap" + dataset + device_id + number.to_bytes(4, "big")
    both = expand(extract(b"caro/v1/wrap", shared), bound, 56)
    sealed = seal_raw(both[:32], both[32:], bound, epoch_key)
    return {
        "epoch": number,
        "epoch_key": epoch_key,
        "random": random,
        "encapsulated": encapsulated,
        "sealed": sealed,
    }


def state(seeds):
    account_public, key_log = drawn("account public", 32), drawn("key log key", 32)
    epochs = {number: drawn(f"state epoch {number}", 32) for number in (0, 1, 7)}
    encoded = b"\1" + hashlib.sha256(b"caro/v1/dataset" + account_public).digest() + account_public + seeds + key_log
    encoded += len(epochs).to_bytes(4, "big")
    encoded += b"".join(number.to_bytes(4, "big") + key for number, key in sorted(epochs.items()))
    listed = [{"number": number, **cell_key(key)} for number, key in sorted(epochs.items())]
    return {
        "account_public": account_public,
        "key_log": cell_key(key_log),
        "epochs": listed,
        "encoded": encoded,
    }


def xwing():
    """The published vectors of draft-connolly-cfrg-xwing-kem, computed again; ss is copied from the draft."""
    published = hashlib.shake_128(b"").digest(3 * 96)
    secrets = [
        "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384",
        "f2e86241c64d60f6649fbc6c5b7d17180b780a3f34355e64a85749949c45f150",
        "953f7f4e8c5b5049bdc771d1dffada0dd961477d1a2ae0988baa7ea6898d893f",
    ]
    cases = []
    for index, expected in enumerate(secrets):
        drawn_here = published[index * 96 :][:96]
        seed, random = drawn_here[:32], drawn_here[32:]
        public = xwing_public(seed)
        ciphertext, shared = xwing_encapsulate(public, random)
        assert shared.hex() == expected, f"vector {index} of the draft: {shared.hex()}"
        assert xwing_decapsulate(seed, ciphertext) == shared
        cases.append({"seed": seed, "random": random, "public": public, "ciphertext": ciphertext, "shared": shared})
    return cases


def at_rest():
    """The store key that follows from a master key, hidden row keys, sealed rows, and the lock of a passphrase."""
    master = drawn("master", 32)
    root = extract(b"caro/v1/local-store", master)
    row_key, row_seal = expand(root, b"row-key", 32), expand(root, b"row-seal", 32)
    row_nonce = expand(root, b"row-nonce", 32)
    keys = []
    for space, key in ((1, b""), (1, b"vault"), (3, drawn("row", 40))):
        keys.append({"space": space, "key": key, "hidden": keyed(row_key, bytes([space]), key)[:16]})
    rows = []
    for place, plain in ((b"", b""), (b"place", b"a row"), (drawn("place", 17), drawn("row plain", 300))):
        random = drawn(f"row random {len(place)}", 24)
        nonce = keyed(row_nonce, random, len(place).to_bytes(8, "big"), place, plain)[:24]
        row = b"\1" + nonce + seal_raw(row_seal, nonce, b"caro/v1/row" + b"\1" + place, plain)
        rows.append({"place": place, "plain": plain, "random": random, "row": row})
    return {
        "master": master,
        "fingerprint": expand(root, b"fingerprint", 16),
        "row_keys": keys,
        "rows": rows,
        "lock": lock(master, "Wiener Caf\u00e9 um 7"),
    }


def lock(master, passphrase):
    salt, nonce = drawn("lock salt", 16), drawn("lock nonce", 24)
    domain = b"caro/v1/passphrase"
    key = argon2id(domain + unicodedata.normalize("NFKD", passphrase).encode(), salt)
    locked = b"\1" + salt + nonce + seal_raw(key, nonce, domain + b"\1" + salt, master)
    return {"passphrase": passphrase, "salt": salt, "nonce": nonce, "locked": locked}


def payloads():
    """Payloads that any version must read: plain, and compressed by somebody else's zstd."""
    import msgpack
    import zstandard

    one = [(1, drawn("change", 60))]
    many = [(1, f"cargo test --package crate_{number} -- --nocapture".encode()) for number in range(40)]
    many.append((65535, b"of a later version"))
    cases = []
    for changes in ([], one, many):
        plain = msgpack.packb({"c": [[kind, data] for kind, data in changes]}, use_bin_type=True)
        listed = [{"kind": kind, "data": data} for kind, data in changes]
        cases.append({"changes": listed, "packed": b"\0" + plain, "same_bytes": len(changes) < 2})
        if len(changes) > 1:
            # Several settings of the encoder: a reader may not depend on one.
            for level in (1, 3, 19):
                frame = zstandard.ZstdCompressor(level=level).compress(plain)
                cases.append({"changes": listed, "packed": b"\1" + frame, "same_bytes": False})
    return cases


def meeting():
    """Two devices that meet with a code: SPAKE2, the confirmations, sealed letters and the check words' bytes."""
    from spake2 import SPAKE2_A, SPAKE2_B

    ends = {"idA": b"caro/v1/pair/newcomer", "idB": b"caro/v1/pair/inviter"}
    cases = []
    for code in ("7-abandon-zoo", "9999-zoo-zoo", "1-able-about"):
        random = [drawn(f"meeting {side} {code}", 64) for side in ("newcomer", "inviter")]
        # Both draw 64 bytes and reduce them; one reads them as a big number, the other as a little one.
        newcomer = SPAKE2_A(code.encode(), entropy_f=lambda _, bytes=random[0]: bytes[::-1], **ends)
        inviter = SPAKE2_B(code.encode(), entropy_f=lambda _, bytes=random[1]: bytes[::-1], **ends)
        x, y = newcomer.start(), inviter.start()
        shared = newcomer.finish(y)
        assert shared == inviter.finish(x)
        relay, commit = drawn(f"meeting relay {code}", 32), drawn(f"meeting commit {code}", 32)
        prk = extract(hashlib.sha256(b"caro/v1/pair" + relay + x + y + commit).digest(), shared)
        numbers = [drawn(f"meeting number {side} {code}", 32) for side in ("newcomer", "inviter")]
        letters = []
        for side in (b"newcomer", b"inviter"):
            for count in range(3):
                both = expand(prk, b"caro/v1/pair/seal/" + side + count.to_bytes(8, "big"), 56)
                plain = drawn(f"meeting letter {side} {count}", 40 * count)
                sealed = seal_raw(both[:32], both[32:], b"caro/v1/pair", plain)
                letters.append({"side": side.decode(), "plain": plain, "sealed": sealed})
        cases.append({
            "code": code,
            "random_newcomer": random[0],
            "random_inviter": random[1],
            "relay": relay,
            "commit": commit,
            "x": x,
            "y": y,
            "confirm_newcomer": expand(prk, b"caro/v1/pair/confirm/newcomer", 32),
            "confirm_inviter": expand(prk, b"caro/v1/pair/confirm/inviter", 32),
            "letters": letters,
            "number_newcomer": numbers[0],
            "number_inviter": numbers[1],
            "check": expand(prk, b"caro/v1/pair/check" + numbers[0] + numbers[1], 8),
        })
    return cases


FILES = {
    "phrases.json": phrases,
    "mistyped.json": mistyped,
    "schedule.json": schedule,
    "cells.json": cells,
    "device.json": device,
    "xwing.json": xwing,
    "at_rest.json": at_rest,
    "payloads.json": payloads,
    "meeting.json": meeting,
}


if __name__ == "__main__":
    sys.exit(common.main(__file__, __doc__.splitlines()[0], NEEDS, "vault", FILES))
