import { writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { build, type Plugin, transform } from 'esbuild';

const PROJECT = resolve(import.meta.dirname, '..');
/** Nothing is written there: it only names the modules. */
const OUT = join(PROJECT, 'dist/cache/binary/modules');

const SMALL = { minifySyntax: true, minifyWhitespace: true, legalComments: 'none' } as const;

/**
 * Makes one file of the program. It holds its modules as text, cut where the program imports when it needs to, so that
 * the engine reads only those that a command runs: to read all takes longer than everything else at the start.
 */
export async function bundleProgram(outfile: string): Promise<void> {
  const { outputFiles } = await build({
    ...SMALL,
    entryPoints: [join(PROJECT, 'src/main.ts')],
    outdir: OUT,
    write: false,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node26',
    logLevel: 'warning',
    plugins: [ENGLISH_ONLY, SCREEN_ONLY],
    absWorkingDir: PROJECT,
  });
  const modules = await Promise.all(
    outputFiles.map(async ({ path, text }) => [`./${relative(OUT, path)}`, await withRequire(text)] as const),
  );
  const sources = JSON.stringify(Object.fromEntries(modules.sort(([a], [b]) => (a < b ? -1 : 1))));
  await writeFile(outfile, `const sources=${sources};\n${LOADER}`);
}

/** The same module for `require`, also where it imports late. */
async function withRequire(text: string): Promise<string> {
  const { code } = await transform(text, {
    ...SMALL,
    format: 'cjs',
    platform: 'node',
    target: 'node26',
    supported: { 'dynamic-import': false },
  });
  return code;
}

const LOADER = `
const { compileFunction } = require('node:vm');
const loaded = {};
function load(name) {
  if (!Object.hasOwn(sources, name)) return require(name);
  if (loaded[name] === undefined) {
    const module = (loaded[name] = { exports: {} });
    const options = { filename: 'totaldeploy/' + name };
    compileFunction(sources[name], ['require', 'module', 'exports'], options)(load, module, module.exports);
  }
  return loaded[name].exports;
}
load('./main.js');
`;

/** zod brings its messages in some fifty languages, a third of the bundle and of the time to start. */
const ENGLISH_ONLY: Plugin = {
  name: 'english-only',
  setup(build) {
    build.onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
      loader: 'js',
    }));
  },
};

/**
 * blessed's screen asks its front page for the width of a tab, and that brings all its widgets, one of which wants packages
 * that are not there.
 */
const SCREEN_ONLY: Plugin = {
  name: 'screen-only',
  setup(build) {
    build.onLoad({ filter: /blessed\/lib\/blessed\.js$/ }, () => ({
      contents: 'exports.screen = {};',
      loader: 'js',
    }));
  },
};
