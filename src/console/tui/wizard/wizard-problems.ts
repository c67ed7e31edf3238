import type { z } from 'zod';
import { computerNameSchema, expandNamePattern, templateSchema } from '../../../schema/template.ts';
import type { FieldProblem } from '../../console-api.ts';
import { diskRuleProblems } from './disk-rule-draft.ts';
import { addressCount, maskPrefixLength } from './subnet-mask.ts';
import { templateOf, type WizardDraft } from './wizard-draft.ts';

/** Every problem of what the wizard holds, with the path of the template's field; empty when it may start. */
export function draftProblems(draft: WizardDraft): FieldProblem[] {
  const own = [
    ...targetProblems(draft),
    ...imageProblems(draft),
    ...diskProblems(draft),
    ...nameProblems(draft),
    ...networkProblems(draft),
  ];
  // The schema's words for an empty or half-typed field are less helpful than the page's own.
  const named = new Set(own.map((one) => one.path));
  return [...own, ...schemaProblems(templateSchema, templateOf(draft)).filter((one) => !named.has(one.path))];
}

/** What a schema finds wrong, one line a field. */
export function schemaProblems(schema: z.ZodType, value: unknown): FieldProblem[] {
  const parsed = schema.safeParse(value);
  if (parsed.success) return [];
  const problems = new Map<string, string>();
  for (const issue of parsed.error.issues) {
    const path = issue.path.join('.');
    if (!problems.has(path)) problems.set(path, issueText(issue));
  }
  return [...problems].map(([path, message]) => ({ path, message }));
}

/** zod's own words for numbers speak of types. */
function issueText(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.expected === 'number') return 'use a number';
  if (issue.code === 'invalid_type' && issue.expected === 'int') return 'use a whole number';
  if (issue.code === 'too_small' && issue.origin === 'number') return `must be at least ${issue.minimum}`;
  if (issue.code === 'too_big' && issue.origin === 'number') return `must be at most ${issue.maximum}`;
  if (issue.code === 'too_big' && issue.origin === 'string') return `use at most ${issue.maximum} characters`;
  return issue.message;
}

function targetProblems({ targets }: WizardDraft): FieldProblem[] {
  if (targets.mode === 'connected' || targets.chosen.size > 0) return [];
  return [{ path: 'targets', message: 'choose at least one target computer' }];
}

function imageProblems(draft: WizardDraft): FieldProblem[] {
  const problems: FieldProblem[] = [];
  if (draft.image === '') problems.push({ path: 'image', message: 'choose a master image' });
  if (draft.partitions !== 'all' && draft.partitions.length === 0) {
    problems.push({ path: 'partitions', message: 'choose at least one partition' });
  }
  if (draft.targetPartition !== undefined && !/^\d+$/.test(draft.targetPartition.trim())) {
    problems.push({ path: 'targetPartition', message: 'use the number of a partition, e.g. 2' });
  }
  return problems;
}

function diskProblems({ diskRule }: WizardDraft): FieldProblem[] {
  return diskRuleProblems(diskRule).map(({ field, message }) => ({ path: `targetDisk.${field}`, message }));
}

/** What the schema cannot know: how many computers there will be. */
function nameProblems({ names, targets }: WizardDraft): FieldProblem[] {
  if (names.kind !== 'pattern') return [];
  const path = 'computerNames.pattern';
  const pattern = names.pattern.trim();
  if (!pattern.includes('{') && (targets.mode === 'connected' || targets.chosen.size > 1)) {
    return [{ path, message: 'all would have the same name; add {n}, {mac} or {serial}' }];
  }
  const number = Number(names.first) + Math.max(0, targets.chosen.size - 1);
  const name = expandNamePattern(pattern, { number, mac: 'ab:cd:ef:ab:cd:ef', serial: 'S' });
  // A wrong pattern or number is the schema's to name.
  if (/[{}]/.test(name) || !Number.isInteger(number)) return [];
  const [problem] = schemaProblems(computerNameSchema, name);
  return problem === undefined ? [] : [{ path, message: `gives "${name}": ${problem.message}` }];
}

function networkProblems({ network, targets }: WizardDraft): FieldProblem[] {
  const { kind, first, last, mask } = network;
  if (kind === 'keep' || kind === 'dhcp') return [];
  if (maskPrefixLength(mask) === undefined) {
    return [{ path: 'network.prefixLength', message: 'use a subnet mask such as 255.255.255.0' }];
  }
  const count = kind === 'static' ? addressCount(first.trim(), last.trim()) : undefined;
  const needed = targets.mode === 'chosen' ? targets.chosen.size : 0;
  if (count === undefined || count >= needed) return [];
  return [{ path: 'network.last', message: `the range has ${count} addresses for ${needed} computers` }];
}
