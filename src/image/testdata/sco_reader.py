#!/usr/bin/env python3
"""Reads a .sco image by FORMAT.md alone: verifies all hashes and prints root, chunks, placements and manifest as lines.

Independent of the program on purpose. Only modules that Debian's python3-minimal has, so no json; zstd frames go
through the `zstd` program.
"""
import hashlib
import struct
import subprocess
import sys
import zlib


def sha256(data):
    return hashlib.sha256(data).digest()


def must(condition, message):
    if not condition:
        sys.exit(f"sco_reader: {message}")


def read_superblocks(data):
    first, second = data[0:4096], data[4096:8192]
    must(first == second, "the two superblocks differ")
    must(first[:8] == bytes.fromhex("8953434F0D0A1A0A"), "no image")
    must(sha256(first[:4064]) == first[4064:], "superblock hash")
    major, _minor, size = struct.unpack_from("<HHI", first, 8)
    must(major == 1 and size == 4096, "version")
    state, features = struct.unpack_from("<II", first, 36)
    must(state == 0 and features == 0, "features")
    part, part_count, _limit, chunk_bytes, checkpoint_chunks = struct.unpack_from("<IIQII", first, 48)
    must((part, part_count, checkpoint_chunks) == (1, 1, 1024), "parts")
    must(not any(first[72:4064]), "reserved bytes of the superblock")
    return {"imageId": first[16:32].hex(), "chunkBytes": chunk_bytes}


def read_footer(data):
    footer = data[-4096:]
    must(footer[:8] == b"\x89SCOEND\n" and footer[40:48] == b"COMPLETE", "incomplete")
    must(sha256(footer[:4064]) == footer[4064:], "footer hash")
    names = "part partCount chunks placements manifest manifestStored manifestRaw index indexBytes file last checkpoints"
    values = struct.unpack_from("<IIIIQQQQQQQI", footer, 48)
    result = dict(zip(names.split(), values))
    must(result["file"] == len(data), "file size")
    must(not any(footer[160:4064]), "reserved bytes of the footer")
    return result | {"imageId": footer[16:32].hex(), "root": footer[128:160]}


def read_record(data, offset):
    """A record's header and its stored bytes, verified."""
    header = data[offset : offset + 96]
    must(len(header) == 96, f"record at {offset} is cut")
    must(zlib.crc32(header[:92]) == struct.unpack_from("<I", header, 92)[0], f"header CRC at {offset}")
    kind, epoch, ordinal, flags, raw, stored, place, disk = struct.unpack_from("<4sIIIQQQI", header, 0)
    must(epoch == 0 and flags in (0, 1), f"record at {offset}")
    payload = data[offset + 96 : offset + 96 + stored]
    must(len(payload) == stored and sha256(payload) == header[48:80], f"payload hash at {offset}")
    names = ("kind", "ordinal", "flags", "raw", "stored", "place", "disk", "sha256", "payload")
    return dict(zip(names, (kind.decode(), ordinal, flags, raw, stored, place, disk, header[48:80], payload)))


def unpack(record):
    """A record's raw bytes."""
    if record["flags"] == 0:
        must(record["raw"] == record["stored"], "a raw record's lengths")
        return record["payload"]
    done = subprocess.run(["zstd", "-d", "-c", "-q"], input=record["payload"], capture_output=True, check=True)
    must(len(done.stdout) == record["raw"], "decompressed length")
    return done.stdout


def read_index(payload):
    must(payload[:8] == b"SCOINDEX", "index magic")
    version, chunk_count, placement_count, entry, placement, reserved = struct.unpack_from("<IIIIII", payload, 8)
    must((version, entry, placement, reserved) == (1, 64, 24, 0), "index header")
    places_at = 32 + 64 * chunk_count
    must(len(payload) == places_at + 24 * placement_count, "index length")
    chunks = []
    for i in range(chunk_count):
        offset, part, flags, raw, stored, zero = struct.unpack_from("<QIIIIQ", payload, 32 + 64 * i)
        must(part == 1 and zero == 0, f"chunk entry {i}")
        sha = payload[32 + 64 * i + 32 : 32 + 64 * i + 64]
        chunks.append({"offset": offset, "flags": flags, "raw": raw, "stored": stored, "sha256": sha})
    placements = []
    for i in range(placement_count):
        offset, raw, chunk, disk, zero = struct.unpack_from("<QIIII", payload, places_at + 24 * i)
        must(zero == 0 and (chunk == 0xFFFFFFFF or chunks[chunk]["raw"] == raw), f"placement {i}")
        placements.append((disk, offset, raw, None if chunk == 0xFFFFFFFF else chunk))
    for before, after in zip(placements, placements[1:]):
        must(before[0] < after[0] or before[1] + before[2] <= after[1], "placements overlap")
    return chunks, placements, payload[places_at:]


def tree_hash(leaves):
    """RFC 6962, section 2.1, written as the recursion it is defined by."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:]))


def walk(data, end):
    """Every record from the start of the file up to the manifest."""
    offset = 8192
    while offset < end:
        record = read_record(data, offset)
        yield offset, record
        offset += 96 + record["stored"]
    must(offset == end, "records do not end at the manifest")


def main(path):
    with open(path, "rb") as file:
        data = file.read()
    superblock = read_superblocks(data)
    footer = read_footer(data)
    must(footer["imageId"] == superblock["imageId"], "image id")
    manifest_record = read_record(data, footer["manifest"])
    manifest_bytes = unpack(manifest_record)
    index_record = read_record(data, footer["index"])
    must((manifest_record["kind"], index_record["kind"]) == ("SCOM", "SCOI"), "kinds")
    must(footer["manifest"] + 96 + manifest_record["stored"] == footer["index"], "manifest's end")
    must(footer["index"] + 96 + index_record["stored"] + 4096 == len(data), "index's end")
    chunks, placements, placement_bytes = read_index(index_record["payload"])

    ordinal, checkpoints, last, raw_hashes = 0, 0, 0, []
    for offset, record in walk(data, footer["manifest"]):
        if record["kind"] == "SCOK":
            must(record["ordinal"] == checkpoints and record["place"] == last, "checkpoint chain")
            first, count, _first_place, _places = struct.unpack_from("<IIII", record["payload"], 0)
            entries = index_record["payload"][32 + 64 * first : 32 + 64 * (first + count)]
            must(record["payload"][32 : 32 + 64 * count] == entries, "checkpoint entries")
            checkpoints, last = checkpoints + 1, offset
            continue
        must(record["kind"] == "SCOC" and record["ordinal"] == ordinal, "chunk order")
        entry = chunks[ordinal]
        must(entry["offset"] == offset + 96 and entry["sha256"] == record["sha256"], f"chunk {ordinal}")
        must((entry["flags"], entry["raw"], entry["stored"]) == (record["flags"], record["raw"], record["stored"]),
             f"chunk {ordinal} lengths")
        raw_hashes.append(sha256(unpack(record)).hex())
        ordinal += 1
    must(ordinal == len(chunks) == footer["chunks"], "number of chunks")
    must((checkpoints, last) == (footer["checkpoints"], footer["last"]), "number of checkpoints")

    leaves = [
        sha256(b"\x00" + c["sha256"] + struct.pack("<III", c["raw"], c["stored"], c["flags"])) for c in chunks
    ]
    root = sha256(
        b"totaldeploy image root 1"
        + struct.pack("<II", len(chunks), len(placements))
        + tree_hash(leaves)
        + sha256(placement_bytes)
        + sha256(manifest_bytes)
    )
    must(root == footer["root"], "root")
    print("imageId", superblock["imageId"])
    print("chunkBytes", superblock["chunkBytes"])
    print("root", root.hex())
    print("checkpoints", checkpoints)
    for raw_hash in raw_hashes:
        print("chunk", raw_hash)
    for disk, offset, raw, chunk in placements:
        print("place", disk, offset, raw, "zeros" if chunk is None else chunk)
    print("manifest", manifest_bytes.decode())


if __name__ == "__main__":
    main(sys.argv[1])
