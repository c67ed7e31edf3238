import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { takeBuildLock } from '../../build/build-lock.ts';
import { CACHE_DIR, ensureDir, MASTERS_DIR } from '../driver/project-paths.ts';

/** What a recipe leaves in the folder it is given: the file itself and facts that tests compare with. */
export interface MasterRecipe<Facts> {
  /** File name without hash, e.g. `tiny.img`. */
  name: string;
  /** Source files whose text makes the recipe; a change builds the master anew. */
  sources: readonly string[];
  /** Further inputs, e.g. the key of the master this one is made from. */
  inputs?: readonly string[];
  /** Builds the file at `outPath`, with `workDir` for scratch files; both vanish when it throws. */
  build(outPath: string, workDir: string): Promise<Facts>;
}

export interface Master<Facts> {
  path: string;
  /** The hash of the recipe. */
  key: string;
  facts: Facts;
  /** 0 when it came from the cache. */
  builtInMs: number;
}

/**
 * Builds a master once and keeps it below `dist/cache/masters`. Two builds are not bit-identical, so
 * the file itself is kept, named by the hash of its recipe.
 */
export async function cachedMaster<Facts>(recipe: MasterRecipe<Facts>): Promise<Master<Facts>> {
  const key = await recipeKey(recipe);
  const path = join(ensureDir(MASTERS_DIR), `${key}-${recipe.name}`);
  const factsPath = `${path}.json`;
  // Test files run side by side, and two of them may want the same master.
  await using _lock = await takeBuildLock(`${path}.lock`);
  if (existsSync(path) && existsSync(factsPath)) {
    return { path, key, facts: JSON.parse(await readFile(factsPath, 'utf8')) as Facts, builtInMs: 0 };
  }
  const startedMs = performance.now();
  const workDir = await mkdtemp(join(CACHE_DIR, 'master-'));
  try {
    const outPath = join(workDir, recipe.name);
    const facts = await recipe.build(outPath, workDir);
    await writeFile(join(workDir, 'facts.json'), JSON.stringify(facts));
    await rename(outPath, path);
    await rename(join(workDir, 'facts.json'), factsPath);
    return { path, key, facts, builtInMs: performance.now() - startedMs };
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

async function recipeKey(recipe: MasterRecipe<unknown>): Promise<string> {
  const hash = createHash('sha256');
  for (const source of recipe.sources) hash.update(await readFile(source)).update('\0');
  for (const input of recipe.inputs ?? []) hash.update(input).update('\0');
  return hash.digest('hex').slice(0, 12);
}
