import { formatBytes } from '../lib/progress.ts';
import type { MachineDisk } from '../schema/machine.ts';

export type DiskChoice = { ok: true; disk: MachineDisk } | { ok: false; reason: string };

export interface ChooseOptions {
  /** `first`, `smallest` and the like look only among disks at least this big. Default 0. */
  sizeBytesMin?: number;
  /** What the disk is for, in messages; default `disk`. */
  what?: string;
}

type Selector = 'only' | 'first' | 'smallest' | 'largest';
type Test = (disk: MachineDisk) => boolean;

interface Rule {
  tests: Test[];
  selector: Selector;
  /** It names one disk itself, so that even a removable one is meant. */
  named: boolean;
}

const TERMS_MAX = 10;
const LISTED_MAX = 8;
/** A "2 TB" disk has a little more: an upper limit in decimal units lets that much pass. */
const UPPER_TOLERANCE = 1.005;
const ALLOWED =
  'auto, first, only, smallest, largest, a name such as sda, serial=, wwn=, model=, bus=, rotational=yes|no, size>=, size<=; a comma means and';

/**
 * Picks a disk by a rule: `auto` or `only` (there must be just one), `first`, `smallest`, `largest`, `sda` or
 * `/dev/sda`, `serial=…`, `wwn=…`, `model=…` (part of it), `bus=nvme`, `rotational=yes|no`, `size>=100G`,
 * `size<=2T` (G is 10^9, Gi 2^30); several joined by commas must all hold. Never the boot medium, never a
 * read-only disk, and a removable one only when the rule names it.
 */
export function chooseDisk(
  disks: readonly MachineDisk[],
  ruleText: string,
  options: ChooseOptions = {},
): DiskChoice {
  const what = options.what ?? 'disk';
  const rule = parseRule(ruleText);
  if (typeof rule === 'string') return { ok: false, reason: rule };
  const matching = disks.filter((disk) => rule.tests.every((test) => test(disk)));
  if (matching.length === 0) {
    return { ok: false, reason: `No disk matches "${ruleText}"; this computer has ${listed(disks)}` };
  }
  const usable = matching.filter((disk) => unusable(disk, rule) === undefined);
  const [lone] = matching;
  if (usable.length === 0 && lone !== undefined) {
    const why = matching.length === 1 ? unusable(lone, rule) : 'they are removable, read-only or in use';
    return { ok: false, reason: `No ${what} to use for "${ruleText}": ${listed(matching)}: ${why}` };
  }
  const sizeBytesMin = options.sizeBytesMin ?? 0;
  const fitting = rule.selector === 'only' ? usable : usable.filter((disk) => disk.sizeBytes >= sizeBytesMin);
  const candidates = fitting.length > 0 ? fitting : usable;
  if (rule.selector === 'only' && candidates.length > 1) {
    return {
      ok: false,
      reason: `Several disks match "${ruleText}": ${listed(candidates)}; name one, or use first, smallest or largest`,
    };
  }
  return { ok: true, disk: select(candidates, rule.selector)! };
}

/** Why a rule is not understood, or undefined. */
export function diskRuleProblem(ruleText: string): string | undefined {
  const rule = parseRule(ruleText);
  return typeof rule === 'string' ? rule : undefined;
}

function select(disks: readonly MachineDisk[], selector: Selector): MachineDisk | undefined {
  if (selector === 'smallest') return disks.toSorted((a, b) => a.sizeBytes - b.sizeBytes)[0];
  if (selector === 'largest') return disks.toSorted((a, b) => b.sizeBytes - a.sizeBytes)[0];
  return disks[0];
}

function unusable(disk: MachineDisk, rule: Rule): string | undefined {
  if (disk.bootMedium) return 'this computer was started from it, or it is mounted';
  if (disk.readOnly) return 'it is read-only';
  if (disk.removable && !rule.named) return 'it is removable; name it to use it';
  return undefined;
}

function parseRule(text: string): Rule | string {
  const terms = text.split(',').map((term) => term.trim());
  if (terms.length > TERMS_MAX) return `The disk rule "${text}" has more than ${TERMS_MAX} terms`;
  const rule: Rule = { tests: [], selector: 'only', named: false };
  for (const term of terms) {
    const problem = addTerm(rule, term);
    if (problem) return `The disk rule "${text}" is not understood at "${term}"; allowed: ${ALLOWED}`;
  }
  return rule;
}

/** Adds one term; true when it is not understood. */
function addTerm(rule: Rule, term: string): boolean {
  switch (term) {
    case 'auto':
    case 'only':
      rule.selector = 'only';
      return false;
    case 'first':
    case 'smallest':
    case 'largest':
      rule.selector = term;
      return false;
  }
  const size = /^size\s*(>=|<=|>|<|=)\s*(\d+(?:\.\d+)?)\s*([KMGTP]?)(i?)B?$/i.exec(term);
  if (size !== null) {
    rule.tests.push(
      sizeTest(size[1]!, Number(size[2]), { unit: size[3]!.toUpperCase(), binary: size[4] !== '' }),
    );
    return false;
  }
  const field = /^(serial|wwn|model|bus|rotational)=(.+)$/.exec(term);
  if (field !== null) return addField(rule, field[1]!, field[2]!.trim().toLowerCase());
  if (!/^(\/dev\/)?[A-Za-z0-9!._-]{1,64}$/.test(term)) return true;
  const name = term.replace(/^\/dev\//, '');
  rule.named = true;
  rule.tests.push((disk) => disk.name === name);
  return false;
}

function addField(rule: Rule, field: string, wanted: string): boolean {
  const bare = (text: string) => text.toLowerCase().replace(/^(0x|naa\.|eui\.|nvme\.|t10\.)/, '');
  switch (field) {
    case 'serial':
      rule.named = true;
      rule.tests.push((disk) => disk.serial.toLowerCase() === wanted);
      return false;
    case 'wwn':
      rule.named = true;
      rule.tests.push((disk) => disk.wwn !== '' && bare(disk.wwn) === bare(wanted));
      return false;
    case 'model':
      rule.tests.push((disk) => disk.model.toLowerCase().includes(wanted));
      return false;
    case 'bus':
      rule.tests.push((disk) => disk.bus === wanted);
      return false;
    default:
      if (wanted !== 'yes' && wanted !== 'no') return true;
      rule.tests.push((disk) => disk.rotational === (wanted === 'yes'));
      return false;
  }
}

function sizeTest(operator: string, count: number, options: { unit: string; binary: boolean }): Test {
  const power = ['', 'K', 'M', 'G', 'T', 'P'].indexOf(options.unit);
  const bytes = count * (options.binary ? 1024 : 1000) ** power;
  const upper = options.binary || power === 0 ? bytes : bytes * UPPER_TOLERANCE;
  switch (operator) {
    case '>=':
      return (disk) => disk.sizeBytes >= bytes;
    case '>':
      return (disk) => disk.sizeBytes > upper;
    case '<=':
      return (disk) => disk.sizeBytes <= upper;
    case '<':
      return (disk) => disk.sizeBytes < bytes;
    default:
      return (disk) => disk.sizeBytes >= bytes && disk.sizeBytes <= upper;
  }
}

/** `sda (WDC WD10, 1.0 TB, serial X)`: what a person needs to tell disks apart. */
export function describeDisk(disk: MachineDisk): string {
  const facts = [disk.model, formatBytes(disk.sizeBytes), disk.serial === '' ? '' : `serial ${disk.serial}`];
  return `${disk.name} (${facts.filter((fact) => fact !== '').join(', ')})`;
}

function listed(disks: readonly MachineDisk[]): string {
  if (disks.length === 0) return 'no disks';
  const shown = disks.slice(0, LISTED_MAX).map(describeDisk).join(', ');
  return disks.length > LISTED_MAX ? `${shown} and ${disks.length - LISTED_MAX} more` : shown;
}
