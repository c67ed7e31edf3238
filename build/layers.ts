import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';

/**
 * Who may import whom: each layer imports from the ones left of it, and folders of one layer never import
 * each other. The roles may also import each other's commands nowhere; `main.ts` joins them.
 */
export const LAYERS: readonly (readonly string[])[] = [
  ['lib'],
  ['schema'],
  ['disk', 'image', 'multicast', 'control', 'pxe', 'media', 'customise', 'preos'],
  ['backup', 'agent', 'console'],
  ['main.ts'],
];

export interface SourceFile {
  /** Relative to `src/`, e.g. `image/codec.ts`. */
  path: string;
  text: string;
}

/** Every import that goes right or sideways, and every circle inside a folder, one line each. */
export function layerProblems(files: readonly SourceFile[]): string[] {
  const problems: string[] = [];
  const graph = new Map<string, string[]>();
  for (const file of files) {
    const targets = importsOf(file);
    graph.set(file.path, targets);
    for (const target of targets) {
      const problem = importProblem(file.path, target);
      if (problem !== undefined) problems.push(problem);
    }
  }
  return [...problems, ...circles(graph)];
}

function importsOf(file: SourceFile): string[] {
  const specifiers = [...file.text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)];
  return specifiers.map((match) => join(dirname(file.path), match[1]!));
}

function layerOf(path: string): { layer: number; folder: string } | undefined {
  const folder = path.split('/')[0]!;
  const layer = LAYERS.findIndex((folders) => folders.includes(folder));
  return layer < 0 ? undefined : { layer, folder };
}

function importProblem(from: string, to: string): string | undefined {
  if (to.startsWith('..')) {
    return to === '../package.json' && from === 'lib/version.ts'
      ? undefined
      : `${from} imports ${to}, outside src/`;
  }
  const source = layerOf(from);
  const target = layerOf(to);
  if (source === undefined || target === undefined) return `${from} imports ${to}: a folder no layer names`;
  if (source.folder === target.folder) return undefined;
  if (target.layer < source.layer) return undefined;
  return `${from} imports ${to}: ${target.layer === source.layer ? 'sideways' : 'to the right'}`;
}

function circles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const problems: string[] = [];
  const finished = new Set<string>();
  const visit = (path: string, trail: string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      problems.push(`circle: ${[...trail.slice(at), path].join(' -> ')}`);
      return;
    }
    if (finished.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    finished.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return problems;
}

export async function readSources(): Promise<SourceFile[]> {
  const root = resolve(import.meta.dirname, '../src');
  const names = await readdir(root, { recursive: true });
  const sources = names.filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
  return Promise.all(
    sources.map(async (path) => ({
      path: relative('.', path),
      text: await readFile(join(root, path), 'utf8'),
    })),
  );
}

if (import.meta.main) {
  const problems = layerProblems(await readSources());
  for (const problem of problems) console.error(`layers: ${problem}`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
