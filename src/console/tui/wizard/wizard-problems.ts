import type { z } from 'zod';
import { computerNameSchema, expandNamePattern } from '../../../schema/template.ts';
import type { FieldProblem } from '../../console-api.ts';
import { checkTemplate } from '../../template-check.ts';
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
  // The page's own words for a field replace the schema's.
  const isNamed = (path: string) => own.some((one) => one.path === path || one.path.startsWith(`${path}.`));
  const { problems } = checkTemplate(templateOf(draft));
  return [...own, ...problems.filter(({ path }) => !isNamed(path))];
}

/** What a schema finds wrong, one line a field. */
export function schemaProblems(schema: z.ZodType, value: unknown): FieldProblem[] {
  const issues = schema.safeParse(value).error?.issues ?? [];
  const first = new Map(issues.toReversed().map((issue) => [issue.path.join('.'), issue.message]));
  return [...first].map(([path, message]) => ({ path, message }));
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
  if (/[^A-Za-z0-9-]/.test(name) || !Number.isInteger(number)) return [];
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
