import { resolve } from 'node:path';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

/** What `totaldeploy --version` loads before any command runs: our files, and packages by name. */
async function loadedAtStart(): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: ['src/main.ts'],
    bundle: true,
    write: false,
    metafile: true,
    packages: 'external',
    platform: 'node',
    format: 'cjs',
    absWorkingDir: resolve(import.meta.dirname, '..'),
  });
  const loaded = new Set(['src/main.ts']);
  for (const path of loaded) {
    for (const { path: imported, kind } of metafile.inputs[path]?.imports ?? []) {
      if (kind !== 'dynamic-import') loaded.add(imported);
    }
  }
  return [...loaded];
}

it('loads the names and options of commands at the start, and nothing that they run', async () => {
  const loaded = await loadedAtStart();
  expect(loaded).toContain('src/console/console-commands.ts');
  expect(loaded).toContain('commander');
  const packages = loaded.filter((path) => !/^(?:src|node:|package\.json)/.test(path));
  expect(packages).toEqual(['commander']);
  expect(loaded.filter((path) => path.startsWith('node:')).sort()).toEqual([
    'node:os',
    'node:path',
    'node:tty',
  ]);
  expect(loaded.filter((path) => path.endsWith('-role.ts'))).toEqual([]);
});
