import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's root folder. */
export const PROJECT_DIR = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** Everything built or left behind by a run lies below this folder, which git ignores. */
export const DIST_DIR = join(PROJECT_DIR, 'dist');

export const CACHE_DIR = join(DIST_DIR, 'cache');
export const MASTERS_DIR = join(CACHE_DIR, 'masters');
/** Scratch files of running labs. */
export const LABS_DIR = join(DIST_DIR, 'labs');
export const FAILURES_DIR = join(DIST_DIR, 'test-failures');
/** Screens as people see them, for documents and for looking at. */
export const PICTURES_DIR = join(DIST_DIR, 'pictures');
export const PROGRAM_PATH = join(DIST_DIR, 'totaldeploy');
export const ISO_PATH = join(DIST_DIR, 'totaldeploy.iso');

/** Makes a folder with its parents and returns its path. */
export function ensureDir(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}
