import { diskRuleProblem } from '../../../disk/disk-rule.ts';

/** A disk rule (see `disk/disk-rule.ts`) taken apart for its page; terms the page has no field for are in `other`. */
export interface DiskRuleDraft {
  selector: 'first' | 'only' | 'smallest' | 'largest';
  model: string;
  serial: string;
  name: string;
  sizeMin: string;
  sizeMax: string;
  other: string;
}

/** The guide's default: the disk that is number 1 (0x80) in the BIOS. */
export function firstDisk(): DiskRuleDraft {
  return { selector: 'first', model: '', serial: '', name: '', sizeMin: '', sizeMax: '', other: '' };
}

export function diskRuleText(draft: DiskRuleDraft): string {
  const terms = [
    draft.name.trim(),
    named('serial=', draft.serial),
    named('model=', draft.model),
    named('size>=', draft.sizeMin),
    named('size<=', draft.sizeMax),
    draft.other.trim(),
  ];
  return [...terms.filter((term) => term !== ''), draft.selector].join(',');
}

export function diskRuleDraft(rule: string): DiskRuleDraft {
  const draft = { ...firstDisk(), selector: 'only' as DiskRuleDraft['selector'] };
  const others: string[] = [];
  for (const term of rule.split(',').map((one) => one.trim())) {
    if (!takeTerm(draft, term)) others.push(term);
  }
  draft.other = others.join(',');
  return draft;
}

function takeTerm(draft: DiskRuleDraft, term: string): boolean {
  if (term === 'auto') return true;
  if (term === 'first' || term === 'only' || term === 'smallest' || term === 'largest') {
    draft.selector = term;
    return true;
  }
  const [, field, value] = /^(serial=|model=|size>=|size<=)(.*)$/.exec(term) ?? [];
  const key =
    field === undefined
      ? ('name' as const)
      : ({ 'serial=': 'serial', 'model=': 'model', 'size>=': 'sizeMin', 'size<=': 'sizeMax' } as const)[
          field
        ];
  const text = value ?? term;
  if (key === undefined || draft[key] !== '' || (key === 'name' && !isDiskName(term))) return false;
  draft[key] = text.trim();
  return true;
}

/** The page's problem of each field that can be wrong, by field name. */
export function diskRuleProblems(draft: DiskRuleDraft): { field: keyof DiskRuleDraft; message: string }[] {
  const problems: { field: keyof DiskRuleDraft; message: string }[] = [];
  for (const field of ['model', 'serial'] as const) {
    if (draft[field].includes(',')) {
      problems.push({ field, message: 'must not contain a comma; a part of it is enough for the model' });
    }
  }
  for (const field of ['sizeMin', 'sizeMax'] as const) {
    if (draft[field].trim() !== '' && sizeBytes(draft[field]) === undefined) {
      problems.push({ field, message: 'use a size such as 100G, 500 GB or 2T' });
    }
  }
  const [min, max] = [sizeBytes(draft.sizeMin), sizeBytes(draft.sizeMax)];
  if (min !== undefined && max !== undefined && max < min) {
    problems.push({ field: 'sizeMax', message: `must not be less than ${draft.sizeMin.trim()}` });
  }
  if (draft.name.trim() !== '' && !isDiskName(draft.name.trim())) {
    problems.push({ field: 'name', message: 'use the name of a disk such as sda or nvme0n1' });
  }
  if (draft.other.trim() !== '' && diskRuleProblem(draft.other) !== undefined) {
    problems.push({ field: 'other', message: 'use wwn=…, bus=nvme, rotational=yes or no, with commas' });
  }
  return problems;
}

function named(prefix: string, value: string): string {
  return value.trim() === '' ? '' : `${prefix}${value.trim()}`;
}

function isDiskName(text: string): boolean {
  return /^(\/dev\/)?[A-Za-z0-9!._-]{1,64}$/.test(text);
}

function sizeBytes(text: string): number | undefined {
  const [, count, unit, binary] = /^(\d+(?:\.\d+)?)\s*([KMGTP]?)(i?)B?$/i.exec(text.trim()) ?? [];
  if (count === undefined || unit === undefined) return undefined;
  return (
    Number(count) * (binary === '' ? 1000 : 1024) ** ['', 'K', 'M', 'G', 'T', 'P'].indexOf(unit.toUpperCase())
  );
}

const SELECTOR_WORDS: Record<DiskRuleDraft['selector'], string> = {
  first: 'the first disk (BIOS 0x80)',
  only: 'the only disk',
  smallest: 'the smallest disk that is big enough',
  largest: 'the largest disk',
};

/** A rule as a person says it: `the first disk (BIOS 0x80) that matches model=WDC`. */
export function diskRuleWords(rule: string): string {
  const draft = diskRuleDraft(rule);
  const terms = diskRuleText(draft).split(',').slice(0, -1);
  return `${SELECTOR_WORDS[draft.selector]}${terms.length === 0 ? '' : ` that matches ${terms.join(', ')}`}`;
}
