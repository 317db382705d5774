#!/usr/bin/env python3
"""Makes the vectors of what two ends compute (schema/vectors/link/*.json) with other people's cryptography.

Nothing here is shared with the Rust code: the Noise state machine is written down a second time from the framework's
specification (revision 34, with the HFS extension), BLAKE2b and HMAC are Python's, XChaCha20-Poly1305 is PyCryptodome's,
X25519 and Ed25519 are OpenSSL's (cryptography), ML-KEM is kyber-py, BLAKE3 and MessagePack their own Python packages.

    tests/vectors/link.py --check    compute everything and compare with the files
    tests/vectors/link.py --write    compute everything and write the files

Packages that are missing are installed into a temporary folder and removed with it.
"""

import hashlib
import hmac
import sys

import common
from vault import blake, blake_long, ed25519_public, keyed, seal_raw, x25519

NEEDS = ["blake3", "Crypto", "cryptography", "kyber_py", "msgpack"]

NAME = b"Noise_XXhfs_25519+MLKEM768_XChaChaPoly_BLAKE2b"
PIECE = 65535 - 16 - 1


def prologue(purpose=b"caro/v1/session", version=1, suite=1, subprotocol=b"caro.1"):
    return purpose + b"\0" + bytes([version, suite]) + subprotocol


def drawn(label, length):
    """Bytes that look random and are the same every time."""
    return hashlib.shake_256(b"caro link vectors: " + label.encode()).digest(length)


# Noise.


def hkdf(chaining_key, secret):
    """Section 4.3, two outputs."""
    extracted = hmac.digest(chaining_key, secret, "blake2b")
    one = hmac.digest(extracted, b"\1", "blake2b")
    return one, hmac.digest(extracted, one + b"\2", "blake2b")


def noise_nonce(counter):
    return bytes(16) + counter.to_bytes(8, "little")


class Forged(Exception):
    pass


def unseal(key, counter, bound, sealed):
    from Crypto.Cipher import ChaCha20_Poly1305

    cipher = ChaCha20_Poly1305.new(key=key, nonce=noise_nonce(counter))
    cipher.update(bound)
    try:
        return cipher.decrypt_and_verify(sealed[:-16], sealed[-16:])
    except ValueError:
        raise Forged from None


class Side:
    """One end: the symmetric state of section 5.2, and its keys. A twist replaces a secret, or leaves it out."""

    def __init__(self, keys, name=NAME, agreed=None, twist=None):
        self.static, self.ephemeral, self.random = keys
        self.static_public, self.ephemeral_public = x25519(self.static), x25519(self.ephemeral)
        self.twist, self.secrets = twist or {}, []
        self.hash = name.ljust(64, b"\0") if len(name) <= 64 else hashlib.blake2b(name).digest()
        self.chaining_key, self.key, self.counter = self.hash, None, 0
        self.mix_hash(prologue() if agreed is None else agreed)

    def mix_hash(self, data):
        self.hash = hashlib.blake2b(self.hash + data).digest()

    def mix_key(self, token, compute):
        secret = self.twist[token] if token in self.twist else compute()
        if secret is None:
            return
        self.secrets.append((token, secret))
        self.chaining_key, key = hkdf(self.chaining_key, secret)
        self.key, self.counter = key[:32], 0

    def seal(self, plain):
        sealed = plain if self.key is None else seal_raw(self.key, noise_nonce(self.counter), self.hash, plain)
        self.counter += 1
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed):
        plain = sealed if self.key is None else unseal(self.key, self.counter, self.hash, sealed)
        self.counter += 1
        self.mix_hash(sealed)
        return plain

    def split(self):
        return [key[:32] for key in hkdf(self.chaining_key, b"")]


class Device(Side):
    """-> e, e1    <- e, ee, ekem1, s, es    -> s, se"""

    def first(self):
        from kyber_py.ml_kem import ML_KEM_768

        kem_public, self.kem_secret = ML_KEM_768.key_derive(self.random)
        self.mix_hash(self.ephemeral_public)
        return self.ephemeral_public + self.seal(kem_public) + self.seal(b"")

    def second(self, message):
        from kyber_py.ml_kem import ML_KEM_768

        self.other_ephemeral = message[:32]
        self.mix_hash(self.other_ephemeral)
        self.mix_key("ee", lambda: x25519(self.ephemeral, self.other_ephemeral))
        ciphertext = self.open(message[32:1136])
        self.mix_key("ekem1", lambda: ML_KEM_768.decaps(self.kem_secret, ciphertext))
        self.other_static = self.open(message[1136:1184])
        self.mix_key("es", lambda: x25519(self.ephemeral, self.other_static))
        assert self.open(message[1184:]) == b""

    def third(self):
        static = self.seal(self.static_public)
        self.mix_key("se", lambda: x25519(self.static, self.other_ephemeral))
        return static + self.seal(b"")


class Relay(Side):
    def first(self, message):
        self.other_ephemeral, self.kem_public = message[:32], message[32:]
        self.mix_hash(self.other_ephemeral)
        self.open(self.kem_public)
        self.open(b"")

    def encapsulate(self):
        from kyber_py.ml_kem import ML_KEM_768

        # The package draws its own randomness; its inner function (FIPS 203, algorithm 17) takes ours.
        return ML_KEM_768._encaps_internal(self.kem_public, self.random[:32])

    def second(self):
        self.mix_hash(self.ephemeral_public)
        self.mix_key("ee", lambda: x25519(self.ephemeral, self.other_ephemeral))
        secret, ciphertext = self.encapsulate()
        message = self.ephemeral_public + self.seal(ciphertext)
        self.mix_key("ekem1", lambda: secret)
        message += self.seal(self.static_public)
        self.mix_key("es", lambda: x25519(self.static, self.other_ephemeral))
        return message + self.seal(b"")

    def third(self, message):
        self.other_static = self.open(message[:48])
        self.mix_key("se", lambda: x25519(self.ephemeral, self.other_static))
        assert self.open(message[48:]) == b""


def keys_of(who, number):
    return tuple(drawn(f"{who} {what} {number}", length) for what, length in (("static", 32), ("ephemeral", 32), ("kem", 64)))


def meet(device, relay):
    """Both ends, each computing by itself."""
    first = device.first()
    relay.first(first)
    second = relay.second()
    device.second(second)
    third = device.third()
    relay.third(third)
    assert device.split() == relay.split() and device.hash == relay.hash
    assert device.other_static == relay.static_public and relay.other_static == device.static_public
    return first, second, third


# Handshakes.


def given(keys):
    return dict(zip(("static", "ephemeral", "kem"), keys))


def handshakes():
    cases = []
    for number in range(3):
        device, relay = Device(keys_of("device", number)), Relay(keys_of("relay", number))
        first, second, third = meet(device, relay)
        assert (len(first), len(second), len(third)) == (1216, 1200, 64)
        to_relay, to_device = device.split()
        cases.append(
            {
                "prologue": prologue(),
                "device": given(keys_of("device", number)),
                "relay": given(keys_of("relay", number)),
                "device_public": device.static_public,
                "relay_public": relay.static_public,
                "first": first,
                "second": second,
                "third": third,
                "handshake_hash": device.hash,
                "to_relay": to_relay,
                "to_device": to_device,
                "not_these": not_these(device.secrets),
                "sent": sent(number, to_relay, to_device),
            }
        )
    return cases


def not_these(secrets):
    """Keys that somebody derives who has broken one half, or has one secret wrong. None of them may be the session's."""
    curve, kem, zero = ("ee", "es", "se"), ("ekem1",), bytes(32)
    assert [token for token, _ in secrets] == ["ee", "ekem1", "es", "se"]

    def derive(change):
        chaining_key = NAME.ljust(64, b"\0")
        for token, secret in secrets:
            secret = change(token, secret)
            if secret is not None:
                chaining_key = hkdf(chaining_key, secret)[0]
        to_relay, to_device = hkdf(chaining_key, b"")
        return {"to_relay": to_relay[:32], "to_device": to_device[:32]}

    changes = {
        "the curve alone": lambda token, secret: secret if token in curve else None,
        "the curve, and zeroes for the KEM": lambda token, secret: secret if token in curve else zero,
        "the KEM alone": lambda token, secret: secret if token in kem else None,
        "the KEM, and zeroes for the curve": lambda token, secret: secret if token in kem else zero,
    }
    for wrong in curve + kem:
        changes[f"one bit of {wrong}"] = lambda token, secret, wrong=wrong: (
            bytes([secret[0] ^ 1]) + secret[1:] if token == wrong else secret
        )
    return [{"known": known, **derive(change)} for known, change in changes.items()]


def sent(number, to_relay, to_device):
    """Messages both ways, and their records. Long ones are given by how they are made, and by hashes."""
    counters, messages = {"device": 0, "relay": 0}, []
    for at, length in enumerate((23, 0, 1, PIECE, PIECE + 1, 2 * PIECE + 1)):
        for sender, key in (("device", to_relay), ("relay", to_device)):
            label = f"caro link vectors: message {number} {sender} {at}"
            message = blake_long(label.encode(), length) if length else b""
            records = []
            pieces = [message[start : start + PIECE] for start in range(0, length, PIECE)] or [b""]
            for index, piece in enumerate(pieces):
                place = 0 if len(pieces) == 1 else 1 if index == 0 else 3 if index == len(pieces) - 1 else 2
                counter = counters[sender]
                counters[sender] += 1
                sealed = seal_raw(key, noise_nonce(counter), b"", bytes([place]) + piece)
                records.append(counter.to_bytes(8, "big") + sealed)
            case = {"from": sender, "message_blake3_of": label, "length": length}
            if length <= 64:
                case["records"] = records
            else:
                case["records_blake3"] = [blake(record) for record in records]
            messages.append(case)
    return messages


# Peers that hold to the protocol in everything but one step.


LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def low_order_points():
    """As RFC 7748 reads them, with the bit that it ignores clear and set. OpenSSL agrees that the result is zero."""
    plain = [bytes.fromhex(point) for point in LOW_ORDER]
    points = plain + [point[:31] + bytes([point[31] | 0x80]) for point in plain]
    for point in points:
        try:
            x25519(drawn("any secret", 32), point)
        except ValueError:
            continue
        raise AssertionError(point.hex())
    return points


OTHER_WORLDS = {
    "another version in the prologue": {"agreed": prologue(version=2)},
    "another suite in the prologue": {"agreed": prologue(suite=2)},
    "another sub-protocol in the prologue": {"agreed": prologue(subprotocol=b"caro.2")},
    "another purpose in the prologue": {"agreed": prologue(purpose=b"caro/v1/peer")},
    "no prologue": {"agreed": b""},
    "the name of the classical protocol": {"name": b"Noise_XX_25519_XChaChaPoly_BLAKE2b"},
    "the name of another KEM": {"name": NAME.replace(b"MLKEM768", b"Kyber1024")},
    "the name of another cipher": {"name": NAME.replace(b"XChaChaPoly", b"ChaChaPoly")},
    "the name of another hash": {"name": NAME.replace(b"BLAKE2b", b"SHA512")},
    "zeroes for ee": {"twist": {"ee": bytes(32)}},
    "no KEM secret": {"twist": {"ekem1": None}},
    "zeroes for the KEM secret": {"twist": {"ekem1": bytes(32)}},
}


def hostile():
    return {"relays": hostile_relays(), "devices": hostile_devices()}


def hostile_relays():
    """One device, always the same, and what relays answer to its first message."""
    keys, cases = keys_of("device", 0), []

    def answers(title, expected, make=Relay, change=None, first=None, **options):
        relay = make(keys_of("relay", 0), **options)
        (change or (lambda _: None))(relay)
        relay.first(first or Device(keys).first())
        cases.append({"title": title, "second": relay.second(), "expected": expected})

    answers("an honest one", "session")
    for title, options in OTHER_WORLDS.items():
        answers(title, "post-quantum", **options)
    answers("an answer to somebody else", "post-quantum", first=Device(keys_of("device", 1)).first())
    for title, ciphertext in (("noise", drawn("noise", 1088)), ("zeroes", bytes(1088))):
        # Decapsulation never fails: it gives a secret that nobody has.
        answers(f"{title} for a ciphertext, sealed as it should be", "post-quantum", make=replying(ciphertext))
    other = Relay(keys_of("relay", 0))
    other.kem_public = Device(keys_of("device", 1)).first()[32:]
    answers("a ciphertext for somebody else", "post-quantum", make=replying(other.encapsulate()[1]))
    for point in low_order_points():
        change = claiming(point)
        answers(f"the static key {point.hex()}", "low-order", change=change, twist={"es": bytes(32)})
    answers("the key of another relay", "forged", change=claiming(x25519(keys_of("relay", 1)[0])))
    answers("no es", "forged", twist={"es": None})
    return {"device": given(keys), "first": Device(keys).first(), "cases": cases}


def replying(ciphertext):
    class Replying(Relay):
        def encapsulate(self):
            return super().encapsulate()[0], ciphertext

    return Replying


def claiming(public):
    def change(side):
        side.static_public = public

    return change


def hostile_devices():
    """One relay, always the same, and what devices send as their third message. All begin with the same first one."""
    keys, cases = keys_of("relay", 0), []
    honest = Relay(keys)
    honest.first(Device(keys_of("device", 0)).first())
    second = honest.second()

    def sends(title, expected, change=None, late=None, world=None):
        # Until the second message is read both are of one world: who is not would not get that far by themselves.
        relay = Relay(keys, **(world or {}))
        device = Device(keys_of("device", 0), **(world or {}))
        relay.first(device.first())
        device.second(relay.second())
        device.twist |= late or {}
        (change or (lambda _: None))(device)
        cases.append({"title": title, "third": device.third(), "expected": expected})

    sends("an honest one", "session")
    for title, world in OTHER_WORLDS.items():
        sends(title, "post-quantum", world=world)
    for point in low_order_points():
        sends(f"the static key {point.hex()}", "low-order", change=claiming(point), late={"se": bytes(32)})
    sends("the key of another device", "forged", change=claiming(x25519(keys_of("device", 1)[0])))
    sends("no se", "forged", late={"se": None})
    first = Device(keys_of("device", 0)).first()
    return {"relay": given(keys), "first": first, "second": second, "cases": cases}


# What is hashed and signed.


def packed(value):
    import msgpack

    return b"\1" + msgpack.packb(value, use_bin_type=True)


def signed(seed, domain, data):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).sign(domain + data)


def proofs():
    return {
        "ops": [op(number) for number in range(3)],
        "refused_headers": refused_headers(),
        "chain": chain(),
        "lists": lists(),
        "session": session_proofs(),
        "entries": entries(),
    }


def header_fields(number, parents):
    seed = drawn(f"author {number}", 32)
    others = sorted(drawn(f"parent {number} {at}", 32) for at in range(parents))
    stamp = 1_700_000_000_000 + number << 16 | number
    return seed, {
        "dataset": drawn("dataset", 32),
        "author": ed25519_public(seed),
        "seq": (1, 200, 2**40)[number],
        "prev": bytes(32) if number == 0 else drawn(f"prev {number}", 32),
        "parents": [[other, at + 1, drawn(f"parent op {number} {at}", 32)] for at, other in enumerate(others)],
        "stamp": stamp,
        "kind": number + 1,
    }


def op(number):
    seed, fields = header_fields(number, (0, 1, 16)[number])
    salt, payload = drawn(f"salt {number}", 32), drawn(f"payload {number}", (0, 40, 700)[number])
    commit = keyed(salt, payload)
    header = packed([*fields.values(), commit])
    signature = signed(seed, b"caro/v1/op", header)
    body = b"\1" + salt + len(payload).to_bytes(4, "big") + payload
    return {
        "author_seed": seed,
        **fields,
        "salt": salt,
        "payload": payload,
        "payload_commit": commit,
        "header": header,
        "op_id": blake(b"caro/v1/op" + header),
        "signature": signature,
        "op": b"\1" + len(header).to_bytes(2, "big") + header + signature + body,
    }


def refused_headers():
    """The same values in other encodings, and values that break a rule. Each is properly signed."""
    import msgpack

    seed, fields = header_fields(1, 2)
    values = [*fields.values(), drawn("commit", 32)]
    canonical = packed(values)
    one, two = values[4]

    def with_parents(parents):
        return packed(values[:4] + [parents] + values[5:])

    long_seq = canonical.replace(b"\xcc\xc8", b"\xcf" + (200).to_bytes(8, "big"), 1)
    cases = {
        "bytes after the end": canonical + b"\0",
        "a longer integer": long_seq,
        "a longer length": canonical.replace(b"\xc4\x20", b"\xc5\0\x20", 1),
        "a longer array": canonical.replace(b"\x98", b"\xdc\0\x08", 1),
        "a map": b"\1" + msgpack.packb(dict(zip([*fields, "payload_commit"], values)), use_bin_type=True),
        "text for bytes": canonical.replace(b"\xc4\x20", b"\xd9\x20", 1),
        "another version": b"\2" + canonical[1:],
        "no version": canonical[1:],
        "one field less": packed(values[:-1]),
        "one field more": packed(values + [0]),
        "parents out of order": with_parents([two, one]),
        "a parent twice": with_parents([one, one]),
        "itself as a parent": with_parents(sorted([one, [fields["author"], 1, drawn("own", 32)]])),
        "too many parents": with_parents([[bytes([at]) * 32, 1, bytes(32)] for at in range(1, 18)]),
        "number zero": packed(values[:2] + [0] + values[3:]),
        "after the year 2200": packed(values[:5] + [7_258_118_400_000 << 16] + values[6:]),
    }
    assert all(bytes_ != canonical for bytes_ in cases.values())
    listed = [{"title": title, "header": header} for title, header in cases.items()]
    for case in listed:
        case["signature"] = signed(seed, b"caro/v1/op", case["header"])
    accepted = {"header": canonical, "signature": signed(seed, b"caro/v1/op", canonical)}
    return {"accepted": accepted, "cases": listed}


def chain():
    """A relay's log: ids of cells, heads, and signed positions."""
    relay_seed, account = drawn("relay signer", 32), ed25519_public(drawn("account", 32))
    handle, generation, head = blake(account)[:16], drawn("generation", 16), bytes(32)
    entries_ = []
    for cursor in range(1, 5):
        cell = drawn(f"cell {cursor}", 1024 if cursor == 1 else 10 * cursor)
        head = blake(head + cursor.to_bytes(8, "big") + blake(cell))
        statement = handle + generation + cursor.to_bytes(8, "big") + head
        signature = signed(relay_seed, b"caro/v1/position", statement)
        entries_.append(
            {"cursor": cursor, "cell": cell, "cell_id": blake(cell), "head": head, "signature": signature}
        )
    return {
        "relay_seed": relay_seed,
        "signer": ed25519_public(relay_seed),
        "account": account,
        "handle": handle,
        "generation": generation,
        "entries": entries_,
    }


def lists():
    """A chain of device lists."""
    seed, previous, cases = drawn("account", 32), bytes(32), []
    for version, devices in ((1, 1), (2, 3), (300, 64)):
        statics = [x25519(drawn(f"device {at}", 32)) for at in range(devices)]
        hashes = sorted(hashlib.sha256(static).digest() for static in statics)
        encoded = packed([version, previous, hashes])
        cases.append(
            {
                "version": version,
                "prev": previous,
                "device_statics": statics,
                "list": encoded,
                "list_hash": hashlib.sha256(encoded).digest(),
                "signature": signed(seed, b"caro/v1/device-list", encoded),
            }
        )
        previous = hashlib.sha256(encoded).digest()
    return {"account_seed": seed, "account": ed25519_public(seed), "cases": cases}


def session_proofs():
    seed, handshake = drawn("account", 32), drawn("handshake", 32)
    return {
        "account_seed": seed,
        "account": ed25519_public(seed),
        "handshake": handshake,
        "attach": signed(seed, b"caro/v1/attach", handshake),
        "close": signed(seed, b"caro/v1/close", handshake),
    }


def entries():
    """The key log. A variant is a map of one name, as serde writes it."""
    seed, dataset = drawn("account", 32), drawn("dataset", 32)
    device, kem_public, admitter = drawn("device", 32), drawn("kem public", 1216), drawn("admitter", 32)
    wraps = [[drawn(f"wrap {at}", 32), drawn(f"encapsulated {at}", 1120), drawn(f"sealed {at}", 48)] for at in range(2)]
    cut = [device, 9, drawn("cut op", 32), 2, wraps]
    changes = {
        "admitted by the phrase": {"Admit": [device, kem_public, None]},
        "admitted by a device": {"Admit": [device, kem_public, admitter]},
        "revoked": {"Revoke": cut},
        "rotated": {"Rotate": [3, wraps]},
    }
    previous, cases = [], []
    for title, change in changes.items():
        encoded = packed([dataset, previous, 1_700_000_000_000 << 16, change])
        previous = sorted([*previous[-1:], blake(b"caro/v1/key-log-entry" + encoded)])
        cases.append(
            {
                "title": title,
                "entry": encoded,
                "entry_hash": blake(b"caro/v1/key-log-entry" + encoded),
                "signature": signed(seed, b"caro/v1/key-log-entry", encoded),
            }
        )
    return {
        "account_seed": seed,
        "account": ed25519_public(seed),
        "dataset": dataset,
        "device": device,
        "admitter": admitter,
        "cases": cases,
    }


FILES = {"handshakes.json": handshakes, "hostile.json": hostile, "proofs.json": proofs}


if __name__ == "__main__":
    sys.exit(common.main(__file__, __doc__.splitlines()[0], NEEDS, "link", FILES))
