#!/usr/bin/env python3
"""Checks a kairos journal without kairos: verify_journal.py DIR [NOTE VKEY]

Checksums, positions, links, durable marks, segment heads, NUL behind the last frame, and with NOTE
and VKEY that the first frames are those signed. 0 if all holds. Python 3.8, standard library."""
import base64, functools, hashlib, json, os, re, sys, zlib
HEAD = re.compile(rb"kj1 (.{8}) (\d{16}) (\d{16}) (.{64}) (.{8}) (.{8}) ")

def check(holds, what):
    holds or sys.exit("not sound: " + what)

def node(right, left):
    return hashlib.sha256(b"\1" + left + right).digest()

class Tree:
    def __init__(self):
        self.size, self.parts = 0, []  # full subtrees as (leaves, root), the largest first
    def push(self, root, leaves=1):
        self.size += leaves
        while self.parts and self.parts[-1][0] == leaves:
            leaves, root = leaves * 2, node(root, self.parts.pop()[1])
        self.parts.append((leaves, root))
    def root(self):
        roots = [root for _, root in reversed(self.parts)] or [hashlib.sha256().digest()]
        return functools.reduce(node, roots)

def read_journal(path, wanted):
    names = sorted(name for name in os.listdir(path) if re.fullmatch(r"\d{20}\.kj", name))
    tree, link, marked, origin = Tree(), b"0" * 64, 0, None
    if names and int(names[0][:20]) > 1:  # older segments were deleted, their subtree roots kept
        kept = open(os.path.join(path, "../checkpoints/deleted.frontier")).read().split()[3:-1]
        size, (link, *roots) = int(kept[0]), [base64.b64decode(word) for word in kept[1:]]
        link = link.hex().encode()
        for leaves in [1 << n for n in range(54, -1, -1) if size >> n & 1]:
            tree.push(roots.pop(0), leaves)
    root = tree.root() if tree.size == wanted else None
    for name in [name for name in names if int(name[:20]) > tree.size]:  # others go
        data, at = open(os.path.join(path, name), "rb").read(), 0
        while at < len(data) and data[at]:
            where = " at byte %d of %s" % (at, name)
            head = HEAD.match(data, at)
            check(head and b"%08x" % zlib.crc32(head[0][:121]) == head[6], "head" + where)
            end = at + 130 + int(head[1], 16) + 1
            frame, body = data[at:end], data[at + 130:end - 1]
            check(end <= len(data) and frame[-1:] == b"\n", "length" + where)
            check(b"%08x" % zlib.crc32(body) == head[5], "body" + where)
            position = int(head[2]), at or int(name[:20])
            check(position == (tree.size + 1, at or tree.size + 1), "position" + where)
            check(head[4] == link, "link to the frame before" + where)
            check(marked <= int(head[3]) < int(head[2]), "durable mark" + where)
            seg = json.loads(body).get("seg") or {}
            origin = origin or seg.get("origin")
            said = [seg.get(key) for key in ("format", "bytes", "origin")]
            check(said == ([None] * 3 if at else [1, len(data), origin]), "segment head" + where)
            tree.push(hashlib.sha256(b"\0" + frame).digest())
            link, marked, at = hashlib.sha256(b"\0" + frame).hexdigest().encode(), int(head[3]), end
            root = tree.root() if tree.size == wanted else root
        check(not data[at:].strip(b"\0"), "what stands behind byte %d of %s" % (at, name))
    return tree, root

P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493  # Ed25519, RFC 8032
D = -121665 * pow(121666, -1, P) % P

def point(data):
    y, sign = int.from_bytes(data, "little") % 2**255, data[31] >> 7
    xx = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
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
    (name, _, key), (text, lines) = vkey.strip().split("+", 2), note.rsplit("\n\n", 1)
    text, key = text + "\n", base64.b64decode(key)
    lines = [line.split(" ") for line in lines.split("\n") if line.startswith("— %s " % name)]
    ours = [base64.b64decode(line[2]) for line in lines]
    id = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    check(id in [sig[:4] for sig in ours] and text.startswith(name + "\n"), "signed by others")
    for sig in [sig[4:] for sig in ours if sig[:4] == id]:
        hash = hashlib.sha512(sig[:32] + key[1:] + text.encode()).digest()
        s, h = int.from_bytes(sig[32:], "little"), int.from_bytes(hash, "little") % Q
        same = times(s, BASE) == add(point(sig[:32]), times(h, point(key[1:])))
        check(len(sig) == 64 and s < Q and same, "signature")
    return int(text.split("\n")[1]), base64.b64decode(text.split("\n")[2])

if __name__ == "__main__":
    journal, note, vkey = (sys.argv[1:] + [None, None])[:3]
    size, root = signed(open(note, encoding="utf-8").read(), vkey) if note else (0, None)
    tree, found = read_journal(journal, size)
    check(not root or found == root, "the first %d frames are not those signed" % size)
    print("sound: %d frames, root" % tree.size, base64.b64encode(tree.root()).decode())
