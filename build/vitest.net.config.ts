import { defineConfig } from 'vitest/config';

/** Tests with real sockets between network namespaces and with loop devices: root, one file at a time. */
export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['src/**/*.net.test.ts', 'build/**/*.net.test.ts'],
    exclude: ['**/node_modules/**', 'dist/**'],
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 60_000,
  },
});
