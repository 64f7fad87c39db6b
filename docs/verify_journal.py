#!/usr/bin/env python3
"""Checks a kairos journal without kairos: verify_journal.py DIR [NOTE VKEY]
Names, lengths, checksums, positions, links, durable marks, segment heads, NUL behind the last
frame; with NOTE and VKEY that the first frames are those signed. 0 if all holds. Python 3.8."""
import base64, functools, hashlib, json, os, re, sys, zlib
NAME = re.compile(r"([0-9]{20})\.kj|lock|next\.tmp|torn|snapshots")
HEAD = re.compile(rb"kj1 ([0-9a-f]{8}) (\d{16}) (\d{16}) (.{64}) (.{8}) (.{8}) ")
def check(holds, what):
    holds or sys.exit("not sound: " + what)
def unpacked(text):  # strictly: the same bytes have one spelling
    check(base64.b64encode(base64.b64decode(text)).decode() == text, "base64 of " + text)
    return base64.b64decode(text)
def leaf(data):
    return hashlib.sha256(b"\0" + data).digest()
def node(right, left):
    return hashlib.sha256(b"\1" + left + right).digest()
def push(tree, root, leaves=1):  # a tree: its full subtrees as (leaves, root), the largest first
    while tree and tree[-1][0] == leaves:
        leaves, root = leaves * 2, node(root, tree.pop()[1])
    tree.append((leaves, root))
def root_of(tree):
    return functools.reduce(node, [root for _, root in tree[::-1]] or [hashlib.sha256().digest()])

def read_frontier(path):  # the tree over what was deleted, and the link of what follows
    text, total, end = open(path, newline="").read().rsplit("\n", 2)
    form, size, link, *roots = text.split("\n")
    sizes = [1 << n for n in range(54, -1, -1) if int(size) >> n & 1]
    check(unpacked(total) == leaf(text.encode()) and len(roots) == len(sizes), path)
    check(form == "kairos frontier 1" and not end, path)
    return int(size), list(zip(sizes, map(unpacked, roots))), unpacked(link).hex()

def read_journal(path, wanted):
    names, kept = os.listdir(path), os.path.join(path, "../checkpoints/deleted.frontier")
    check(all(map(NAME.fullmatch, names)), "a name that does not belong there: %s" % names)
    firsts = sorted(int(name[:20]) for name in names if name.endswith(".kj"))
    check(firsts or not os.path.exists(kept), "no segment")
    size, tree, link = read_frontier(kept) if firsts and firsts[0] > 1 else (0, [], "0" * 64)
    marked, origin, root = 0, None, root_of(tree) if size == wanted else None
    for first in [first for first in firsts if first > size]:  # others go
        name, at = os.path.join(path, "%020d.kj" % first), 0
        check(first == size + 1 and os.path.isfile(name), "%s behind frame %d" % (name, size))
        data = open(name, "rb").read()
        check(data and len(data) % 4096 == 0 and len(data) <= 1 << 30, "length of " + name)
        while at < len(data) and data[at]:
            where, head = " at byte %d of %s" % (at, name), HEAD.match(data, at)
            check(head and b"%08x" % zlib.crc32(head[0][:121]) == head[6], "head" + where)
            end = at + 130 + int(head[1], 16) + 1
            frame, body = data[at:end], data[at + 130:end - 1]
            whole = end <= len(data) and frame[-1:] == b"\n"
            check(whole and b"%08x" % zlib.crc32(body) == head[5], "body" + where)
            check(marked <= int(head[3]) < int(head[2]) == size + 1, "positions" + where)
            check(head[4] == link.encode(), "link to the frame before" + where)
            seg = json.loads(body).get("seg") or {}
            said = [seg.get(key) for key in ("format", "bytes", "origin")]
            origin = origin or said[2]
            check(said == ([None] * 3 if at else [1, len(data), origin]), "segment head" + where)
            push(tree, leaf(frame))
            size, link, marked, at = size + 1, leaf(frame).hex(), int(head[3]), end
            root = root_of(tree) if size == wanted else root
        check(not data[at:].strip(b"\0"), "what stands behind byte %d of %s" % (at, name))
    return size, root_of(tree), root
P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493  # Ed25519, RFC 8032
D = -121665 * pow(121666, P - 2, P) % P
def point(data):
    y, sign = int.from_bytes(data, "little") % 2**255, data[31] >> 7
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    x = x if x * x % P == xx else x * pow(2, (P - 1) // 4, P) % P
    check(y < P and x * x % P == xx and (x or not sign), "signature")
    return x if x & 1 == sign else P - x, y
def add(a, b):
    (x, y), (u, v) = a, b
    t = D * x * y * u * v % P
    return (x * v + y * u) * pow(1 + t, -1, P) % P, (y * v + x * u) * pow(1 - t, -1, P) % P
BASE = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
def times(n, a):
    bits = [a if bit == "1" else (0, 1) for bit in bin(n)[2:]]
    return functools.reduce(lambda total, bit: add(add(total, total), bit), bits, (0, 1))

def signed(note, vkey):
    (name, said, key), (text, lines) = vkey.strip().split("+", 2), note.rsplit("\n\n", 1)
    text, key = text + "\n", unpacked(key)
    id = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    check(id.hex() == said and key[0] == 1 and len(key) == 33, "verifier key")
    *lines, end = [line.split(" ") for line in lines.split("\n")]
    check(end == [""] and all(len(line) == 3 and line[0] == "—" for line in lines), "note")
    sigs = [unpacked(line[2]) for line in lines if line[1] == name]
    ours = [sig[4:] for sig in sigs if sig[:4] == id]
    check({*map(len, ours)} == {64} and text.startswith(name + "\n"), "signed by others")
    for r, s in [(sig[:32], int.from_bytes(sig[32:], "little")) for sig in ours]:
        hash = hashlib.sha512(r + key[1:] + text.encode()).digest()
        h = times(int.from_bytes(hash, "little") % Q, point(key[1:]))
        check(s < Q and times(s, BASE) == add(point(r), h), "signature")
    return int(text.split("\n")[1]), unpacked(text.split("\n")[2])

journal, note, vkey = (sys.argv[1:] + [None, None])[:3]
size, root = signed(open(note, encoding="utf-8", newline="").read(), vkey) if note else (0, None)
frames, whole, found = read_journal(journal, size)
check(not root or found == root, "the first %d frames are not those signed" % size)
print("sound: %d frames, root" % frames, base64.b64encode(whole).decode())
