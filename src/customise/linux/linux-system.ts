import type { OpenFile } from '../file-source.ts';
import type { SystemRoot } from '../system-root.ts';
import type { RunInside } from './chroot.ts';
import type { FirstStartStep } from './first-start-script.ts';
import type { LinuxFacts } from './linux-facts.ts';

/** What the edits of a Linux work on. */
export interface LinuxSystem {
  root: SystemRoot;
  facts: LinuxFacts;
  runInside: RunInside;
  openFile: OpenFile;
  /** What edits left for the first start; the last edit writes it to the disk. */
  firstStart: FirstStartStep[];
}
