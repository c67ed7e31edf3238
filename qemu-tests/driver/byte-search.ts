import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const PIECE_BYTES = 4 * 1024 * 1024;

/** The bytes a text may have on a disk or a line: UTF-8 and Windows' UTF-16. */
export function encodingsOf(text: string): Buffer[] {
  return [Buffer.from(text, 'utf8'), Buffer.from(text, 'utf16le')];
}

/** Which of the texts are in the bytes of a file, in any encoding. */
export async function textsInFile(path: string, texts: readonly string[]): Promise<string[]> {
  const wanted = texts.map((text) => ({ text, encodings: encodingsOf(text) }));
  const overlap = Math.max(...wanted.flatMap(({ encodings }) => encodings.map(({ length }) => length))) - 1;
  const zeros = Buffer.alloc(PIECE_BYTES);
  const window = Buffer.alloc(overlap + PIECE_BYTES);
  const found = new Set<string>();
  await using file = await open(path, 'r');
  for (;;) {
    const { bytesRead } = await file.read(window, overlap, PIECE_BYTES);
    if (bytesRead === 0) return [...found];
    const piece = window.subarray(0, overlap + bytesRead);
    // Most of a disk is holes.
    const isEmpty = piece.subarray(overlap).equals(zeros.subarray(0, bytesRead));
    for (const { text, encodings } of isEmpty ? [] : wanted) {
      if (encodings.some((bytes) => piece.includes(bytes))) found.add(text);
    }
    window.copyWithin(0, bytesRead, bytesRead + overlap);
  }
}

/** All plain files below a folder, links not followed (as Node's own recursion would). */
export async function filesBelow(dir: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) files.push(...(await filesBelow(path)));
    else if (entry.isFile()) files.push(path);
  }
  return files;
}
