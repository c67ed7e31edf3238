import { isDeepStrictEqual } from 'node:util';
import type { FieldProblem } from '../../console-api.ts';
import type { WizardDraft } from './wizard-draft.ts';
import { draftProblems } from './wizard-problems.ts';

/** The pages in the guide's order (chapter 6). */
export const WIZARD_STEPS = [
  'targets',
  'image',
  'partitions',
  'target-disk',
  'users',
  'names',
  'network',
  'sid',
  'files',
  'applications',
  'drivers',
  'after',
  'summary',
] as const;

export type WizardStep = (typeof WIZARD_STEPS)[number];

/** First part of a field's path -> the page that has the field. */
const PAGE_OF: Readonly<Record<string, WizardStep>> = {
  targets: 'targets',
  run: 'targets',
  image: 'image',
  imagePassword: 'image',
  disk: 'partitions',
  partitions: 'partitions',
  targetPartition: 'target-disk',
  targetDisk: 'target-disk',
  freeSpace: 'target-disk',
  users: 'users',
  computerNames: 'names',
  membership: 'names',
  network: 'network',
  sid: 'sid',
  files: 'files',
  applications: 'applications',
  drivers: 'drivers',
  after: 'after',
};

/** Where the wizard stands: its draft, the page shown, and what is wrong on each page. */
export class WizardModel {
  readonly draft: WizardDraft;
  readonly #asOpened: WizardDraft;
  #at = 0;

  constructor(draft: WizardDraft) {
    this.draft = draft;
    this.#asOpened = structuredClone(draft);
  }

  /** Whether there is anything to lose. */
  get isChanged(): boolean {
    return !isDeepStrictEqual(this.draft, this.#asOpened);
  }

  get step(): WizardStep {
    return WIZARD_STEPS[this.#at]!;
  }

  /** From 1. */
  get stepNumber(): number {
    return this.#at + 1;
  }

  /** Every problem, the pages' order. */
  problems(): FieldProblem[] {
    return draftProblems(this.draft);
  }

  problemsOf(step: WizardStep): FieldProblem[] {
    return this.problems().filter((problem) => this.stepOf(problem) === step);
  }

  /** The problem at one field of the template, or of anything in it. */
  problemAt(path: string): string | undefined {
    return this.problems().find((one) => one.path === path || one.path.startsWith(`${path}.`))?.message;
  }

  stepOf(problem: FieldProblem): WizardStep {
    const [first = ''] = problem.path.split('.');
    if (first !== 'table') return PAGE_OF[first] ?? 'summary';
    return this.draft.names.kind === 'table' ? 'names' : 'network';
  }

  /** To the next page, unless this one has a problem. */
  next(): boolean {
    if (this.#at === WIZARD_STEPS.length - 1 || this.problemsOf(this.step).length > 0) return false;
    this.#at += 1;
    return true;
  }

  back(): boolean {
    if (this.#at === 0) return false;
    this.#at -= 1;
    return true;
  }

  goTo(step: WizardStep): void {
    this.#at = WIZARD_STEPS.indexOf(step);
  }
}
