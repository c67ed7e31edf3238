import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes long must not be the last that runs. */
const LONGEST = [
  'uefi-debian.vm.test.ts',
  'windows-custom.vm.test.ts',
  'faults.vm.test.ts',
  'bios-tiny.vm.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = LONGEST.indexOf(basename(moduleId));
      return at < 0 ? LONGEST.length : at;
    };
    return files.sort((a, b) => place(a) - place(b) || a.moduleId.localeCompare(b.moduleId));
  }
}

/** Tests with virtual machines: root, minutes each. Two files at a time: one machine alone leaves a core idle. */
export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['qemu-tests/**/*.vm.test.ts'],
    exclude: ['**/node_modules/**', 'dist/**'],
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 900_000,
    hookTimeout: 600_000,
    globalSetup: ['qemu-tests/driver/leftovers.ts'],
  },
});
