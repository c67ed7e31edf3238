import { defineConfig } from 'vitest/config';

/** Tests with virtual machines: root, one file at a time, minutes each. */
export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['qemu-tests/**/*.vm.test.ts'],
    exclude: ['**/node_modules/**', 'dist/**'],
    pool: 'forks',
    fileParallelism: false,
    maxWorkers: 1,
    testTimeout: 900_000,
    hookTimeout: 600_000,
    globalSetup: ['qemu-tests/driver/leftovers.ts'],
  },
});
