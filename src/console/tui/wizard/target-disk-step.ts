import { formatBytes } from '../../../lib/progress.ts';
import { ChoiceField } from '../../../lib/tui/choice-field.ts';
import { Form } from '../../../lib/tui/form.ts';
import { Note } from '../../../lib/tui/note-field.ts';
import { TextField } from '../../../lib/tui/text-field.ts';
import { diskRuleText } from './disk-rule-draft.ts';
import { boundChoice, boundText } from './draft-fields.ts';
import type { WizardDraft } from './wizard-draft.ts';
import { FormStep, type WizardContext } from './wizard-step.ts';

const LISTED_MAX = 4;

/** Page 4: which disk of each target is overwritten, and what becomes of its free space. */
export function targetDiskStep(context: WizardContext): FormStep {
  const { draft } = context.model;
  const rule = new Note('', { label: 'Rule', tone: 'heading' });
  const disks = new Note('', { label: 'Disks there', tone: 'muted' });
  const { diskRule } = draft;
  const form = new Form({
    fields: [
      boundChoice(diskRule, 'selector', {
        ...{ name: 'targetDisk.selector', label: 'Target disk' },
        choices: [
          { value: 'first', label: 'the first disk', hint: 'number 1 (0x80) of the BIOS' },
          { value: 'only', label: 'the only disk', hint: 'computers with several are refused' },
          { value: 'smallest', label: 'the smallest disk that is big enough' },
          { value: 'largest', label: 'the largest disk' },
        ],
      }),
      new Note(''),
      new Note('Only among disks that match (empty fields match every disk):', { tone: 'muted' }),
      boundText(diskRule, 'model', { ...{ name: 'targetDisk.model', label: 'Model' }, hint: 'a part of it' }),
      boundText(diskRule, 'serial', { ...{ name: 'targetDisk.serial', label: 'Serial number' } }),
      boundText(diskRule, 'sizeMin', {
        ...{ name: 'targetDisk.sizeMin', label: 'Size at least', hint: 'e.g. 100G or 2 TB', columns: 12 },
      }),
      boundText(diskRule, 'sizeMax', {
        ...{ name: 'targetDisk.sizeMax', label: 'Size at most', hint: 'e.g. 100G or 2 TB', columns: 12 },
      }),
      boundText(diskRule, 'name', {
        ...{ name: 'targetDisk.name', label: 'Name', hint: 'e.g. sda or nvme0n1', columns: 12 },
      }),
      boundText(diskRule, 'other', {
        ...{ name: 'targetDisk.other', label: 'Other', hint: 'e.g. bus=nvme or rotational=no,wwn=…' },
      }),
      rule,
      disks,
      ...partitionFields(draft),
      boundChoice(draft, 'freeSpace', {
        ...{ name: 'freeSpace', label: 'Free disk space' },
        choices: [
          { value: 'keep', label: 'leave it free', hint: 'partitions keep their size' },
          { value: 'grow-last', label: 'the last partition gets it' },
          { value: 'proportional', label: 'all partitions grow in proportion' },
        ],
      }),
    ],
  });
  return new FormStep(context, {
    ...{ step: 'target-disk', title: 'Target disk and partition selection', form },
    refresh: () => {
      rule.text = diskRuleText(diskRule);
      disks.text = disksText(context);
    },
  });
}

/** Only when one partition is deployed: clear the disk, or replace one partition of it. */
function partitionFields(draft: WizardDraft) {
  const isOne = () => draft.partitions !== 'all' && draft.partitions.length === 1;
  let typed = draft.targetPartition ?? '';
  return [
    new ChoiceField({
      ...{ name: '', label: 'One partition', hidden: () => !isOne() && draft.targetPartition === undefined },
      value: draft.targetPartition === undefined ? 'clear' : 'replace',
      choices: [
        { value: 'clear', label: 'clear the disk', hint: 'the partition stands alone on it' },
        { value: 'replace', label: 'replace a partition', hint: 'not applied by this version' },
      ],
      onChange: (value) => {
        draft.targetPartition = value === 'clear' ? undefined : typed;
      },
    }),
    new TextField({
      ...{ name: 'targetPartition', label: 'Target partition', value: typed, columns: 4, max: 3 },
      hint: 'its number on the target, e.g. 2',
      hidden: () => draft.targetPartition === undefined,
      onChange: (value) => {
        typed = value;
        draft.targetPartition = value;
      },
    }),
  ];
}

/** The first disks of the chosen computers, by model and size, the most frequent first. */
function disksText({ computers, model }: WizardContext): string {
  const { mode, chosen } = model.draft.targets;
  const counts = new Map<string, number>();
  for (const { computerId, disks } of computers) {
    if (mode === 'chosen' && !chosen.has(computerId)) continue;
    const text = disks.map((disk) => `${disk.name} ${disk.model} ${formatBytes(disk.sizeBytes)}`).join(' + ');
    counts.set(text || 'no disk', (counts.get(text || 'no disk') ?? 0) + 1);
  }
  const kinds = [...counts].toSorted((a, b) => b[1] - a[1]);
  if (kinds.length === 0) return 'none of the target computers is connected';
  const listed = kinds.slice(0, LISTED_MAX).map(([text, count]) => `${count} x ${text}`);
  if (kinds.length > LISTED_MAX) listed.push(`and ${kinds.length - LISTED_MAX} other kinds`);
  return listed.join('\n');
}
