import { hash } from 'node:crypto';

const LEAF = 0;
const NODE = 1;

/** One leaf: the stored bytes' hash and everything that decides how they are decoded. */
export interface MerkleLeaf {
  sha256: Uint8Array;
  rawBytes: number;
  storedBytes: number;
  flags: number;
}

export function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer');
}

/** SHA-256 of a zero byte and the leaf's 44 bytes (FORMAT.md, "Merkle root"). */
export function leafHash(leaf: MerkleLeaf): Buffer {
  const bytes = Buffer.alloc(45);
  bytes[0] = LEAF;
  bytes.set(leaf.sha256, 1);
  bytes.writeUInt32LE(leaf.rawBytes, 33);
  bytes.writeUInt32LE(leaf.storedBytes, 37);
  bytes.writeUInt32LE(leaf.flags, 41);
  return sha256(bytes);
}

/**
 * The root of a binary hash tree in the shape of RFC 6962, section 2.1: leaves and nodes are told apart
 * by a prefix byte, a node without a neighbour moves up unchanged, an empty tree is SHA-256 of nothing.
 *
 * @param leafAt gives the hash of leaf i.
 */
export function merkleRoot(count: number, leafAt: (i: number) => Buffer): Buffer {
  if (count === 0) return sha256(Buffer.alloc(0));
  // One finished subtree a level, so a million leaves need twenty hashes of memory.
  const stack: { hash: Buffer; level: number }[] = [];
  for (let i = 0; i < count; i += 1) {
    let node = { hash: leafAt(i), level: 0 };
    while (stack.length > 0 && stack.at(-1)!.level === node.level) {
      node = { hash: nodeHash(stack.pop()!.hash, node.hash), level: node.level + 1 };
    }
    stack.push(node);
  }
  let root = stack.pop()!.hash;
  while (stack.length > 0) root = nodeHash(stack.pop()!.hash, root);
  return root;
}

function nodeHash(left: Buffer, right: Buffer): Buffer {
  const bytes = Buffer.alloc(65);
  bytes[0] = NODE;
  bytes.set(left, 1);
  bytes.set(right, 33);
  return sha256(bytes);
}
