import { defineConfig } from 'vitest/config';
import machines from './vitest.config.ts';

/** What would make `npm test` longer than people wait: `npm run test:long`. */
export default defineConfig({ test: { ...machines.test, include: ['qemu-tests/**/*.long.test.ts'] } });
