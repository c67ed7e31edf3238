import { defineConfig } from 'vitest/config';

/** Suites are chosen by file name: `*.test.ts` unit, `*.net.test.ts` namespaces, `*.vm.test.ts` virtual machines, `*.long.test.ts` long ones of them. */
export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['src/**/*.test.ts', 'build/**/*.test.ts', 'qemu-tests/**/*.test.ts'],
    exclude: ['**/*.net.test.ts', '**/*.vm.test.ts', '**/*.long.test.ts', '**/node_modules/**', 'dist/**'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
